"""Hosts to install on, and the packages that are there before ours: what an SME server has, in our words."""

import re
import shutil

from sandbox import CHECKOUT
from throwaway_root import build_package
from watch import Watch

RCPTHOSTS = "/var/qmail/control/rcpthosts"
SMTPROUTES = "/var/qmail/control/smtproutes"
GOODRCPTTO = "/var/service/qpsmtpd/config/goodrcptto"
CONFIGURATION = "/home/e-smith/db/configuration"
RULES = "smithnet.com,1,mail.bar.org,0"
ENTRIES = {"smithnet.com", ".smithnet.com", "mail.bar.org"}


def copy_checkout(folder):
    """Copy the checkout's sources to `folder` (pathlib.Path, not there yet), without git's own."""
    shutil.copytree(CHECKOUT, folder, symlinks=True, ignore=shutil.ignore_patterns(
        ".git", ".venv", "build", "dist", "node_modules", "__pycache__", ".pytest_cache", ".hypothesis"))
    return folder


class Host:
    """A host called sme.doecom.net, for doecom.net and handmade.example, with a record of two rules."""

    def __init__(self, root, perl=False):
        self.root = root
        self.perl = perl
        self.own = {"sme.doecom.net", "doecom.net"}
        root.write(CONFIGURATION, "DomainName=doecom.net\nSMTPSmartHost=relay.provider.example\n"
                                  "SystemName=sme\n"
                                  f"mxbackup=service|name|{RULES}|status|enabled\n")
        root.write("/home/e-smith/db/domains", "doecom.net=domain|Content|Primary\n")
        root.write(RCPTHOSTS, "sme.doecom.net\ndoecom.net\n")
        root.write(SMTPROUTES, ":relay.provider.example\n")
        root.write(GOODRCPTTO, "@doecom.net\n")
        if not perl:
            # Written by hand, and known nowhere else.
            self.own.add("handmade.example")
            root.write(RCPTHOSTS, "sme.doecom.net\ndoecom.net\nhandmade.example\n")

    def watch(self):
        return Watch(self.root / RCPTHOSTS)

    def lines(self, path=RCPTHOSTS):
        """The entries (set of str) of a mail file; comments and blank lines aside."""
        text = self.root.read(path)
        return {line for line in text.splitlines() if line and not line.startswith("#")}

    def record(self):
        """The line of our record in the database."""
        return next(line for line in self.root.read(CONFIGURATION).splitlines()
                    if line.startswith("mxbackup="))

    def updates(self):
        """How many events have brought the mail files up to date: ours, or the package's own."""
        pattern = re.compile(rb"Processing event: (smeserver-mxbackup(-utf8)?|mxbackup)-update")
        return sum(bool(pattern.search(message)) for message in list(self.root.syslog.messages))

    def logged(self, text):
        """How many syslog messages hold `text`."""
        return sum(text.encode() in message for message in list(self.root.syslog.messages))


def spec_file(path, text, mode="0644"):
    """The %install line(s) that make the file `path` with `text`."""
    return (f"mkdir -p $RPM_BUILD_ROOT$(dirname {path})\ncat > $RPM_BUILD_ROOT{path} <<'END-OF-FILE'\n{text}"
            f"END-OF-FILE\nchmod {mode} $RPM_BUILD_ROOT{path}\n")


_DEFAULTS = r"""#!/usr/bin/perl -w
# Sets what /etc/e-smith/db/configuration/defaults names and the database lacks.
use strict;
my ($db, $defaults) = ('/home/e-smith/db/configuration', '/etc/e-smith/db/configuration/defaults');
print "Migrating existing database configuration\n";
open my $in, '<', $db or die "$db: $!\n";
chomp(my @lines = <$in>);
for my $folder (glob "$defaults/*") {
    my ($key) = $folder =~ m{([^/]+)$};
    next if grep { /^\Q$key\E=/ } @lines;
    my %value;
    for my $path (glob "$folder/*") {
        open my $file, '<', $path or die "$path: $!\n";
        chomp(my $text = <$file>);
        $value{(split m{/}, $path)[-1]} = $text;
    }
    my $type = delete $value{type};
    push @lines, join '|', "$key=$type", map { ($_, $value{$_}) } sort keys %value;
}
open my $out, '>', $db or die "$db: $!\n";
print $out "$_\n" for sort @lines;
"""


def build_perl_engine(folder):
    """Build an e-smith-lib of the Text::Template harness and an SME server's core fragments."""
    templates, actions = "/etc/e-smith/templates", "/etc/e-smith/events/actions"
    harness = CHECKOUT / "tests/perl"
    programs = {
        "/sbin/e-smith/Engine.pm": (harness / "Engine.pm").read_text(),
        "/sbin/e-smith/expand-template": (harness / "expand-template").read_text(),
        "/sbin/e-smith/signal-event": (harness / "signal-event").read_text(),
        f"{actions}/initialize-default-databases": _DEFAULTS,
        f"{actions}/navigation-conf": "#!/bin/sh\necho rebuilt >> /var/cache/left-panel\n",
    }
    texts = {
        "/etc/e-smith/templates-default/template-begin": "# Do not edit: expanded from templates.\n",
        f"{templates}{RCPTHOSTS}/10localhost": '{ "$SystemName.$DomainName" }',
        f"{templates}{RCPTHOSTS}/15domains": '{ "$DomainName" }',
        f"{templates}{SMTPROUTES}/10smarthost": '{ ":$SMTPSmartHost" }',
        f"{templates}{GOODRCPTTO}/10domains": '{ "\\@$DomainName" }',
    }
    files = [spec_file(path, text, "0755") for path, text in programs.items()]
    files += [spec_file(path, text + "\n") for path, text in texts.items()]
    body = ("AutoReqProv: no\n%description\nA Perl engine.\n%install\n" + "".join(files)
            + "%files\n" + "".join(f"{path}\n" for path in [*programs, *texts]))
    return build_package(folder, "e-smith-lib", "11.0.0", body)


# The Perl contrib's kind of fragment: Perl within braces.
_OLD_FRAGMENT = """\
# MX backup
{
    if (($mxbackup{status} || '') eq 'enabled') {
        my %%rules = split /,/, $mxbackup{name} || '';
        foreach my $name (sort keys %%rules) {
            $OUT .= "%s";
        }
    }
}
"""
_EXPANSIONS = f"""\
/sbin/e-smith/expand-template {RCPTHOSTS}
/sbin/e-smith/expand-template {SMTPROUTES}
if [ -e {GOODRCPTTO} ]; then /sbin/e-smith/expand-template {GOODRCPTTO}; fi
"""


def build_perl_contrib(folder, name, version, release):
    """Build the Perl contrib as it was: its files' names, its record, and what its scripts did to a host."""
    templates = "/etc/e-smith/templates"
    files = {
        f"{templates}{RCPTHOSTS}/20mxbackup": _OLD_FRAGMENT % "$name\\n.$name\\n",
        f"{templates}{SMTPROUTES}/30mxbackup": _OLD_FRAGMENT % "$name:\\n",
        f"{templates}{GOODRCPTTO}/50MXBackup": _OLD_FRAGMENT % "\\@$name\\n",
        "/etc/e-smith/db/configuration/defaults/mxbackup/type": "service\n",
        "/etc/e-smith/db/configuration/defaults/mxbackup/status": "disabled\n",
        "/etc/e-smith/locale/en-us/etc/e-smith/web/functions/mxbackup": "<lexicon lang='en-us'></lexicon>\n",
        "/etc/e-smith/web/functions/mxbackup": "#!/usr/bin/perl\nprint 'the old panel';\n",
        "/etc/e-smith/GreenLight.jpg": "green\n",
        "/etc/e-smith/RedLight.jpg": "red\n",
    }
    panel = "/etc/e-smith/web/panels/manager/cgi-bin"
    body = ("AutoReqProv: no\nRequires: e-smith-lib\n%description\nThe Perl contrib.\n%install\n"
            + "".join(spec_file(path, text) for path, text in files.items())
            + f"mkdir -p $RPM_BUILD_ROOT{panel}\nln -s ../../../functions/mxbackup $RPM_BUILD_ROOT{panel}/\n"
            + "%files\n" + "".join(f"{path}\n" for path in [*files, f"{panel}/mxbackup"])
            + "%post\n/etc/e-smith/events/actions/initialize-default-databases\n" + _EXPANSIONS
            + "mkdir -p /etc/e-smith/web/common\n"
              "mv -f /etc/e-smith/GreenLight.jpg /etc/e-smith/web/common/\n"
              "mv -f /etc/e-smith/RedLight.jpg /etc/e-smith/web/common/\n"
            + "%postun\n" + _EXPANSIONS)
    return build_package(folder, name, version, body, release)


def build_perl_contribs(folder):
    for name, version, release in (("smeserver-mxbackup", "0.1.0", "02"), ("smeserver-mxbackup", "0.2", "2"),
                                   ("smeserver-mxbackup-utf8", "0.1.0", "03")):
        build_perl_contrib(folder, name, version, release)
