// An auditor, as rtld-audit(7) has it, that does nothing but be there.
unsigned la_version(unsigned version) { return version; }
