package SrvMngr::Controller::Mxbackup;

#----------------------------------------------------------------------
# heading     : System
# description : mxb_MENU
# navigation  : 4000 410
#
# name : mxbackup,      method : get,   url : /mxbackup,   ctlact : mxbackup#main
# name : mxbackuppost,  method : post,  url : /mxbackup,   ctlact : mxbackup#main
#
# routes : end
#----------------------------------------------------------------------
# The panel in SME 11's server-manager: asks the page of the older managers, as CGI (RFC 3875), and puts what it
# answers into this manager's layout. Who may come here is the manager's to say. docs/sme.md tells the rest.
use strict;
use warnings;
use Mojo::Base 'Mojolicious::Controller';
use File::Temp ();
use Mojo::IOLoop;
use Mojo::Util qw(decode html_unescape);

my $PAGE = '/etc/e-smith/web/functions/mxbackup';
my $SECONDS = 110;
my $OCTETS = 16 << 20;

sub main {
    my $c = shift;
    my $query = $c->req->url->query->to_string;
    my ($at) = $query =~ /(?:^|&)at=([\w.]*)/;
    my $body = $c->req->content->is_multipart ? $c->req->build_body : $c->req->body;
    my %request = (
        GATEWAY_INTERFACE => 'CGI/1.1', SERVER_NAME => 'localhost', SERVER_PORT => 443, SERVER_PROTOCOL => 'HTTP/1.1',
        PATH => '/sbin/e-smith:/usr/sbin:/usr/bin:/sbin:/bin', REMOTE_USER => $c->session->{username} // '',
        REQUEST_METHOD => $c->req->method, SCRIPT_NAME => $c->url_for('/mxbackup')->to_string,
        PATH_INFO => '/' . ($at // '') =~ tr{.}{/}r, QUERY_STRING => $query, CONTENT_LENGTH => length $body,
        CONTENT_TYPE => $c->req->headers->content_type // '',
        HTTP_ACCEPT_LANGUAGE => $c->req->headers->accept_language // '',
    );
    $c->render_later;
    my $stream = Mojo::IOLoop->stream($c->tx->connection // '');
    $stream->timeout($SECONDS + 10) if $stream;
    # Apart: a check takes a while, and the manager has other things to do.
    Mojo::IOLoop->subprocess(
        sub { ask(\%request, $body) },
        sub {
            my (undef, $error, $answer) = @_;
            $c->app->log->error("mxbackup: $error") if $error;
            return refuse($c, 504, 'mxb_ERR_504') if $error =~ /^slow/;
            return refuse($c, 500, 'mxb_ERR_500') if $error or !show($c, $answer);
        });
    return;
}

# Returns what the page answers. One that takes too long is left to end by itself: it may be writing mail files.
sub ask {
    my ($request, $body) = @_;
    my $form = File::Temp->new;
    binmode $form;
    print {$form} $body;
    $form->flush;
    seek $form, 0, 0;
    pipe my $answers, my $page or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDIN, '<&', $form;
        open STDOUT, '>&', $page;
        %ENV = %$request;
        exec {$PAGE} $PAGE or die "$PAGE: $!\n";
    }
    close $page;
    local $SIG{ALRM} = sub { die "slow: no answer in $SECONDS seconds\n" };
    alarm $SECONDS;
    my $answer = '';
    while (sysread $answers, $answer, 65536, length $answer) {
        die "more than $OCTETS octets\n" if length $answer > $OCTETS;
    }
    alarm 0;
    return $answer;
}

# Shows the CGI's answer in the manager's layout; returns false where it is none.
sub show {
    my ($c, $answer) = @_;
    my ($head, $body) = split /\r?\n\r?\n/, $answer, 2;
    my %head = map { my ($name, $value) = split /:\s*/, $_, 2; (lc $name => $value // '') } split /\r?\n/, $head // '';
    my ($status) = ($head{status} // '') =~ /^(\d{3})\b/ or return;
    my $headers = $c->res->headers;
    $headers->header($_ => $head{lc $_}) for grep { defined $head{lc $_} }
        qw(Cache-Control Content-Disposition Content-Type Vary X-Content-Type-Options);
    my $base = $c->url_for('/mxbackup')->to_string;
    # One address for all pages: what the layout names by relative addresses stays where it is.
    my $flat = sub {
        my ($at, $more) = @_;
        return join '?', $base, join('&', $at ? 'at=' . $at =~ tr{/}{.}r : (), $more // ()) || ();
    };
    if (defined $head{location}) {
        $headers->location($head{location} =~ s{^\Q$base\E/([\w/]*)(?:\?(.*))?$}{$flat->($1, $2)}er);
        return $c->rendered($status);
    }
    if (($head{'content-type'} // '') !~ m{^text/html; charset=([\w-]+)}) {
        return $c->render(data => $body // '', status => $status);
    }
    my $html = decode($1, $body) // return;
    my ($title) = $html =~ m{<title>(.*?)</title>}s;
    my ($main) = $html =~ m{(<main\b.*</main>)}s or return;
    $main =~ s{="\Q$base\E/([\w/]*)(?:\?([^"]*))?"}{'="' . $flat->($1, $2) =~ s/&(?!amp;)/&amp;/gr . '"'}ge;
    my $field = $c->csrf_field;
    $main =~ s{(?=<input type="hidden" name="token")}{$field}g;
    $headers->remove('Content-Type');
    return $c->render(template => 'mxbackup', title => html_unescape($title // ''), mxb_main => $main, status => $status);
}

sub refuse {
    my ($c, $status, $text) = @_;
    my $main = $c->tag('main', class => 'mxb', sub { $c->tag('p', role => 'alert', $c->l($text)) });
    return $c->render(template => 'mxbackup', title => $c->l('mxb_ERR_TITLE'), mxb_main => $main, status => $status);
}

1;
