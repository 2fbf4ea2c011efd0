# A short stand-in for the Perl engine: enough of it to expand our fragments with the real Text::Template.
#
# As in that engine: each configuration record is $key (its raw value) and, with properties, %key; all fragments
# share one package; a fragment's $OUT is its result; errors are counted, reported on standard error, and leave the
# output as it was; and the command still exits 0. ESMITH_ROOT goes before every path, as with our own commands.
package Engine;
use strict;
use warnings;
use Cwd ();
use File::Basename qw(basename dirname);
use File::Find ();
use IO::Socket::UNIX;
use Text::Template;

our $ROOT = $ENV{ESMITH_ROOT} || '';
my $HELPER = '/usr/lib/mxbackup/fragment';
my $LINES = '/var/lib/mxbackup/lines';
my $CHECKOUT = dirname(dirname(dirname(Cwd::realpath(__FILE__))));
my $packages = 0;

# Returns (\%scalars, \%hashes) of the configuration database.
sub configuration {
    my (%scalars, %hashes);
    open my $in, '<', "$ROOT/home/e-smith/db/configuration" or return (\%scalars, \%hashes);
    while (my $line = <$in>) {
        chomp $line;
        next if $line =~ /^\s*(#|$)/;
        my ($key, $raw) = split /=/, $line, 2;
        next unless defined $raw;
        $raw =~ s/\\n/\n/g;
        $scalars{$key} = $raw;
        my ($type, @pairs) = split /\|/, $raw, -1;
        push @pairs, '' if @pairs % 2;
        $hashes{$key} = { type => $type, @pairs } if @pairs;
    }
    return (\%scalars, \%hashes);
}

# Returns the fragment files of the template $path, in order.
sub fragments {
    my ($path) = @_;
    my (%found, $folder_seen);
    my $flat = '/' . basename($path);
    for my $queue ("$ROOT/etc/e-smith/templates", "$ROOT/etc/e-smith/templates-custom") {
        my $place = "$queue$path";
        if (-f $place) { %found = ($flat => $place) }
        elsif (-d $place) {
            $folder_seen = 1;
            delete $found{$flat};
            opendir my $folder, $place or die "$place: $!\n";
            for my $name (readdir $folder) {
                next if $name =~ /(~|\.(swp|orig|rpmsave|rpmnew|rpmorig))$/;
                $found{$name} = "$place/$name" if -f "$place/$name";
            }
        }
    }
    if ($folder_seen && %found) {
        $found{'template-begin'} ||= "$ROOT/etc/e-smith/templates-default/template-begin";
    }
    my %rank = ('template-begin' => 0, 'template-end' => 2);
    return map { $found{$_} } sort { ($rank{$a} // 1) <=> ($rank{$b} // 1) || $a cmp $b } keys %found;
}

# Returns the text of a fragment file; in a sandbox our helper is the sandbox's own, or the checkout's.
sub text {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    my $text = do { local $/; <$in> };
    if ($ROOT) {
        my $helper = -e "$ROOT$HELPER" ? "$ROOT$HELPER" : "$CHECKOUT/root$HELPER";
        $text =~ s/\Q$HELPER\E/$helper/g;
        $text =~ s/\Q$LINES\E/$ROOT$LINES/g;
    }
    return $text;
}

# Expands the template $path; returns true where it went well.
sub expand {
    my ($path) = @_;
    my @files = fragments($path);
    if (!@files) {
        print STDERR "ERROR: No templates were found for $path.\n";
        return;
    }
    my ($scalars, $hashes) = configuration();
    my $package = 'Engine::Fragments' . ++$packages;
    my ($content, $errors) = ('', 0);
    for my $file (@files) {
        next unless -s $file;
        local $SIG{__WARN__} = sub { print STDERR "WARNING in $file: $_[0]" };
        my $template = Text::Template->new(TYPE => 'STRING', SOURCE => text($file));
        my $result = $template && $template->fill_in(
            PACKAGE => $package,
            HASH => [$hashes, $scalars],
            BROKEN => sub {
                my %broken = @_;
                (my $error = $broken{error}) =~ s/\n+\z//;
                print STDERR "ERROR in $file: $error at template line $broken{lineno}\n";
                $errors++;
                return '';
            });
        if (!defined $result) {
            print STDERR "ERROR: Cannot process template $file: $Text::Template::ERROR\n";
            return;
        }
        $content .= $result;
    }
    if ($errors) {
        print STDERR "ERROR: Template processing failed for $path: $errors fragments generated errors\n";
        return;
    }
    return replace("$ROOT$path", $content);
}

sub replace {
    my ($output, $content) = @_;
    my $mode = -e $output ? (stat _)[2] & 07777 : 0644;
    if (-f $output && open my $old, '<', $output) {
        my $now = do { local $/; <$old> } // '';
        return 1 if $now eq $content;
    }
    open my $new, '>', "$output.$$" or do {
        print STDERR "ERROR: Cannot create output file $output.$$ $!\n";
        return;
    };
    print $new $content;
    close $new or die "$output.$$: $!\n";
    chmod $mode, "$output.$$";
    rename "$output.$$", $output or die "$output: $!\n";
    return 1;
}

sub say_to_log {
    my ($text) = @_;
    my $log = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => "$ROOT/dev/log") or return;
    $log->send("<142>esmith::event[$$]: $text");
}

# Runs the handlers of an event; returns the exit status. Services are left alone: a test has none.
sub signal_event {
    my ($event, @arguments) = @_;
    my $folder = "$ROOT/etc/e-smith/events/$event";
    opendir my $handlers, $folder or die "Can't open directory /etc/e-smith/events/$event\n";
    my %run = map { ($_ => "$folder/$_") } grep { !-d "$folder/$_" } readdir $handlers;
    $run{S05generic_template_expand} = '' if -d "$folder/templates2expand";
    # Only a test's own: the harness has no services.
    my $adjust = "$ROOT/etc/e-smith/events/actions/adjust-services";
    $run{'S90adjust-services'} = $adjust if !$ROOT && -d "$folder/services2adjust" && -x $adjust;
    say_to_log("Processing event: $event @arguments");
    my $status = 0;
    for my $name (sort keys %run) {
        if (!$run{$name}) {
            my @paths;
            File::Find::find({ no_chdir => 1, wanted => sub { push @paths, $_ if -f } }, "$folder/templates2expand");
            for my $path (sort map { substr $_, length "$folder/templates2expand" } @paths) {
                say_to_log("expanding $path");
                expand($path);
            }
        } elsif (-x $run{$name}) {
            say_to_log("Running event handler: /etc/e-smith/events/$event/$name");
            my $pid = open my $output, '-|';
            if (!$pid) {
                open STDERR, '>&', \*STDOUT;
                exec { $run{$name} } $run{$name}, $event, @arguments;
                exit 127;
            }
            while (my $line = <$output>) {
                chomp $line;
                say_to_log($line);
            }
            close $output;
            $status = 1 if $?;
        }
    }
    return $status;
}

1;
