#!/usr/bin/perl
# Bundles the page's script and style into a C++ source: bundle.pl FOLDER. The script brings what it needs of D3 along,
# from Debian's packages; no network, and no Node.js.
use strict;
use warnings;
use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64);

my ($folder) = @ARGV;
$ENV{NODE_PATH} = '/usr/share/nodejs';

# What the packages say of their code, which the page takes along.
sub licence {
  my (%holders, %terms);
  for my $file (sort glob('/usr/share/doc/node-d3-*/copyright')) {
    open(my $in, '<', $file) or next;
    my @paragraphs = split(/\n\n+/, do { local $/; <$in> });
    my ($code) = grep { /^Files:\s*\*/ } @paragraphs;
    next unless defined $code;
    my ($holder) = $code =~ /^Copyright:\s*(.*)/m;
    my ($name) = $code =~ /^License:\s*(\S+)/m;
    $holders{"Copyright $holder"} = 1 if defined $holder;
    ($terms{$name}) = grep { /^License:\s*\Q$name\E/ } @paragraphs if defined $name && !defined $terms{$name};
  }
  die "bundle.pl: no licence found in /usr/share/doc/node-d3-*\n" unless %terms;
  my $text = join("\n", 'D3 (https://d3js.org/)', sort(keys %holders), map { $terms{$_} } sort(keys %terms));
  $text =~ s{\*/}{* /}g;
  return "/*! $text */\n";
}

sub bundle {
  my (@options) = @_;
  open(my $pipe, '-|', 'esbuild', '--bundle', '--minify', '--charset=ascii', '--log-level=warning', @options)
    or die "bundle.pl: esbuild: $!\n";
  local $/;
  my $text = <$pipe>;
  close($pipe) or die "bundle.pl: esbuild failed\n";
  return $text;
}

sub constants {
  my ($name, $text) = @_;
  my $hash = encode_base64(sha256($text), '');
  # Some compilers take string literals up to 64 KB; adjacent ones are one.
  my $parts = join("\n", map { "R\"page($_)page\"" } $text =~ /.{1,16000}/gs);
  return "const char ${name}[] =\n$parts;\nconst char ${name}Hash[] = \"sha256-$hash\";\n";
}

my $script = bundle('--format=iife', '--target=es2020', '--legal-comments=none', "$folder/page.js");
my $style = bundle('--loader:.css=css', "$folder/page.css");
s/\s+\z// for $script, $style;
$script = licence() . $script;
die "bundle.pl: the script would end its element\n" if $script =~ m{</script|<!--}i;
die "bundle.pl: the style would end its element\n" if $style =~ m{</style}i;
print "// Made by analyzer/viewer/web/bundle.pl\n#include \"analyzer/viewer/assets.h\"\n\nnamespace fdaudit::analyzer {\n",
  constants('kPageScript', $script), constants('kPageStyle', $style), "}  // namespace fdaudit::analyzer\n";
