package Warren::TLS;

# Copyright (C) the Warren authors
#
# Certificates for tests: an authority of one's own, and what it signs.
#
#     my $ca = Warren::TLS->new();
#     my $server = $ca->certificate('server', names => 'DNS:localhost');
#     ... $ca->file(), $server->{file}, $server->{key} ...
#
# All files may be read by anybody: what they protect is a test.

use strict;
use warnings;

use Warren::Test qw(spew tempdir run_command);


my $count = 0;


sub new {
    my ($class, $name) = @_;

    my $dir = tempdir('tls-' . ++$count);
    my $self = bless { dir => $dir }, $class;

    chmod 0755, $dir;
    spew("$dir/index", '');
    spew("$dir/serial", "01\n");
    spew("$dir/conf", <<"END");
[ca]
default_ca = authority
[authority]
database = $dir/index
serial = $dir/serial
new_certs_dir = $dir
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
default_crl_days = 30
policy = policy
unique_subject = no
copy_extensions = copy
[policy]
commonName = supplied
[req]
distinguished_name = dn
prompt = no
[dn]
CN = nobody
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
END

    $self->request('ca', $name // 'an authority', '-x509', '-days', 30,
                   '-extensions', 'root');

    return $self;
}


sub file { return "$_[0]{dir}/ca.pem" }


# names: subjectAltName; expired: it was valid yesterday.
sub certificate {
    my ($self, $name, %option) = @_;

    my $dir = $self->{dir};
    my $file = "$dir/$name";

    $self->request($name, $name, '-addext',
                   'subjectAltName=' . ($option{names} // "DNS:$name"));
    run('ca', '-batch', '-notext', '-config', "$dir/conf",
        '-in', "$file.pem", '-out', "$file.crt",
        $option{expired} ? ('-startdate', '20200101000000Z',
                            '-enddate', '20200201000000Z')
                         : ('-days', 30));

    return { file => "$file.crt", key => "$file.key" };
}


# Takes a certificate back; returns the list that says so.
sub revoke {
    my ($self, $certificate) = @_;

    my $dir = $self->{dir};

    run('ca', '-config', "$dir/conf", '-revoke', $certificate->{file});
    run('ca', '-config', "$dir/conf", '-gencrl', '-out', "$dir/crl.pem");

    return "$dir/crl.pem";
}


sub request {
    my ($self, $file, $name, @more) = @_;

    my $dir = $self->{dir};

    run('req', '-new', '-config', "$dir/conf", '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:P-256', '-nodes', '-subj', "/CN=$name",
        '-keyout', "$dir/$file.key", '-out', "$dir/$file.pem", @more);
    chmod 0644, "$dir/$file.key";
}


sub run {
    my @command = ('openssl', @_);

    my ($status, $output) = run_command(\@command);
    die "@command: $output\n" if $status != 0;
}


1;
