#!/usr/bin/perl
# usage: smanager.pl daemon -l http://127.0.0.1:PORT
#
# A short stand-in for SME 11's server-manager: its layout, login, session, CSRF hook, languages, and menu and routes by
# the comment lines of the controllers, as its actions read them. Below /smanager, as behind its web server, whose
# content security policy it sends, too.
package SrvMngr;
use Mojo::Base 'Mojolicious';
use Mojo::File qw(path);
use utf8;

my $SHARE = '/usr/share/smanager';

sub lexicon {
    my ($module, $language) = @_;
    my $file = path("$SHARE/lib/SrvMngr/I18N/Modules/" . ucfirst($module) . "/${module}_$language.lex");
    return -e $file ? { eval 'use utf8; (' . $file->slurp . ')' } : {};
}

sub startup {
    my $self = shift;
    $self->secrets(['stand-in']);
    $self->sessions->cookie_name('smanager');
    push @{$self->renderer->classes}, __PACKAGE__;
    $self->renderer->paths(["$SHARE/themes/default/templates"]);
    $self->static->paths(["$SHARE/themes/default/public"]);
    my $language = sub { (shift->req->headers->accept_language // '') =~ /^fr/i ? 'fr' : 'en' };
    $self->helper(l => sub {
        my ($c, $key) = @_;
        my ($module) = $c->req->url->path =~ m{^/?([a-z]+)};
        return lexicon($module // '', $language->($c))->{$key} // $key;
    });
    $self->hook(before_dispatch => sub {
        my $c = shift;
        my $url = $c->req->url;
        push @{$url->base->path}, shift @{$url->path->leading_slash(0)} if ($url->path->[0] // '') eq 'smanager';
        $url->base->path->trailing_slash(1);
    });
    # Checked before routing, with whatever is left of the session.
    $self->hook(before_routes => sub {
        my $c = shift;
        return if $c->req->method =~ /^(?:GET|HEAD|OPTIONS)$/;
        $c->render(status => 403, text => 'Forbidden!') if $c->validation->csrf_protect->has_error('csrf_token');
    });
    $self->hook(after_dispatch => sub {
        shift->res->headers->header('Content-Security-Policy', " script-src 'self' 'unsafe-eval' ; style-src 'self' ; ");
    });
    my $routes = $self->routes;
    $routes->namespaces(['SrvMngr::Controller']);
    $routes->get('/login' => sub { shift->render(template => 'login') });
    $routes->post('/login' => sub {
        my $c = shift;
        $c->session(username => $c->param('user'), logged_in => 1, is_admin => $c->param('user') eq 'admin' ? 1 : 0);
        $c->redirect_to('/initial');
    });
    $routes->get('/initial' => sub { shift->render(template => 'initial') });
    my $admin = $routes->under(sub {
        my $c = shift;
        return 1 if $c->session('is_admin');
        $c->redirect_to('/login');
        return;
    });
    my @menu;
    for my $controller (glob "$SHARE/lib/SrvMngr/Controller/[A-Z]*.pm") {
        my ($module) = map { lc } $controller =~ m{(\w+)\.pm$};
        my ($head) = path($controller)->slurp =~ /\A(.*?^\s*#\s*routes\s*:\s*end)/ms or next;
        my %line = $head =~ /^\s*#\s*(heading|description|navigation)\s*:\s*(.+?)\s*$/mg;
        push @menu, { module => $module, %line };
        while ($head =~ /^#\s*name\s*:\s*(.+?),\s*method\s*:\s*(.+?),\s*url\s*:\s*(.+?),\s*ctlact\s*:\s*(.+?)\s*$/mg) {
            my ($name, $method, $url, $action) = ($1, $2, $3, $4);
            $admin->$method($url)->to(lc($action) =~ s/#.*//r . $action =~ s/[^#]*//r)->name($name);
        }
    }
    $self->helper(menu => sub {
        my $c = shift;
        return map { { %$_, text => lexicon($_->{module}, $language->($c))->{$_->{description}} // $_->{module} } } @menu;
    });
    $admin->any('/*whatever' => {whatever => ''} => sub { shift->render(status => 404, text => 'whatever') });
}

package main;
use Mojolicious::Commands;
Mojolicious::Commands->start_app('SrvMngr');

package SrvMngr;
__DATA__
@@ layouts/default.html.ep
<!DOCTYPE html>
<html lang="<%= ($c->req->headers->accept_language // 'en') =~ s/[,;-].*//r %>">
<head>
<meta charset="utf-8">
<title><%= $title %></title>
% my $css = 'css/' . (stash('controller') // '') . '.css';
% if (app->static->file($css)) {
<link rel="stylesheet" href="<%= url_for "/$css" %>">
% }
</head>
<body>
<header><img src="images/logo.png" alt="stand-in for the server-manager"></header>
<nav id="navigation" aria-label="menu">
% for my $entry (menu) {
<a class="item" href="/smanager/<%= $entry->{module} %>"><%= $entry->{text} %></a>
% }
</nav>
<%= content 'module' %>
</body>
</html>
@@ initial.html.ep
% layout 'default', title => 'initial';
% content_for 'module' => begin
<p>Welcome</p>
% end
@@ login.html.ep
% layout 'default', title => 'login';
% content_for 'module' => begin
<form method="post" action="/smanager/login"><%= csrf_field %>
<label for="user">User</label><input id="user" name="user"><button>Login</button></form>
% end
@@ not_found.html.ep
none
