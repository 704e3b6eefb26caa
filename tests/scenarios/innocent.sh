# What shells and make do on purpose with descriptors.
case $1 in
  substitution)
    exec 4< <(echo a; echo b)
    read -r x <&4
    exec 4<&-
    diff <(echo "$x") <(echo a) && seq 3 | tee >(cat >copy) | cat >/dev/null
    wait
    ;;
  dash)
    exec dash -c 'exec 3>f 4>&3; echo a >&3; exec 3>&-; { echo b; cat <<X; } >&4
c
X
exec 4>&-; (cat f; echo d >&2) 2>/dev/null | cat >/dev/null; x=$(cat <f); trap : EXIT'
    ;;
  jobserver)
    cat >Makefile <<'X'
first := $(shell echo first)
all: sub a b c
	@echo $(shell echo all) >/dev/null
sub:
	@$(MAKE) -f Sub.mk >/dev/null
a b c:
	@echo $@ >/dev/null
X
    printf 'early := $(shell echo early)\nall: x y\nx y:\n\t@echo $@ $(shell echo late)\n' >Sub.mk
    command -v make >/dev/null || exit 77
    exec make -j3
    ;;
esac
