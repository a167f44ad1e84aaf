package Warren::JWT;

# Copyright (C) the Warren authors
#
# Keys and tokens, good ones and others, made with openssl and core modules
# alone: none of it shares code with what is tested.
#
#     my $key = Warren::JWT->ec(kid => 'one');
#     spew("$dir/jwks.json", Warren::JWT::jwks($key));
#     my $token = $key->token({ sub => 'anna' });
#
# token() fills in exp (an hour from now) unless the claims have one; an exp
# of undef leaves it out.  token_of() signs texts as they are.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256 hmac_sha384 hmac_sha512);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);

use Warren::Test qw(spew slurp tempdir run_command);


my $json = JSON::PP->new()->utf8()->canonical();
my $count = 0;


my %curves = (
    'P-256' => ['ES256', 32], 'P-384' => ['ES384', 48], 'P-521' => ['ES512', 66]
);
my %edwards = (Ed25519 => 32, Ed448 => 57);


# kid; bits (2048); alg (RS256).
sub rsa {
    my ($class, %option) = @_;

    my $bits = $option{bits} // 2048;

    return $class->generate('RSA', 'RS256', ['-algorithm', 'RSA', '-pkeyopt',
                                             "rsa_keygen_bits:$bits"], %option);
}


# kid; curve (P-256), of which follows the algorithm.
sub ec {
    my ($class, %option) = @_;

    my $curve = $option{curve} // 'P-256';

    return $class->generate('EC', $curves{$curve}[0] // 'ES256',
                            ['-algorithm', 'EC', '-pkeyopt',
                             "ec_paramgen_curve:$curve"],
                            curve => $curve, %option);
}


# kid; curve (Ed25519).
sub ed {
    my ($class, %option) = @_;

    my $curve = $option{curve} // 'Ed25519';

    return $class->generate('OKP', 'EdDSA', ['-algorithm', $curve],
                            curve => $curve, %option);
}


# kid; bytes (32 bytes); alg (HS256).
sub secret {
    my ($class, %option) = @_;

    return bless {
        kty => 'oct', alg => 'HS256',
        bytes => 'the secret of thirty-two bytes..',
        %option
    }, $class;
}


sub generate {
    my ($class, $kty, $alg, $arguments, %option) = @_;

    my $path = tempdir() . '/key-' . ++$count;

    openssl('genpkey', @$arguments, '-out', "$path.pem");
    openssl('pkey', '-in', "$path.pem", '-pubout', '-out', "$path.pub");
    openssl('pkey', '-in', "$path.pem", '-pubout', '-outform', 'DER', '-out',
            "$path.der");

    return bless { kty => $kty, alg => $alg, path => $path, %option }, $class;
}


sub openssl {
    my ($status, $output) = run_command(['openssl', @_]);
    die "openssl @_: $output\n" if $status != 0;

    return $output;
}


# The same key, for tokens of another algorithm.
sub with {
    my ($self, $alg) = @_;
    return bless { %$self, alg => $alg }, ref $self;
}


sub kid { return $_[0]{kid} }
sub path { return "$_[0]{path}.pem" }
sub public_pem { return slurp("$_[0]{path}.pub") }
sub private_pem { return slurp("$_[0]{path}.pem") }


# The public part as a JWK; further members replace, undef removes.
sub jwk {
    my ($self, %other) = @_;

    my %jwk = (kty => $self->{kty}, $self->numbers(), use => 'sig');
    $jwk{kid} = $self->{kid} if defined $self->{kid};
    %jwk = (%jwk, %other);
    delete $jwk{$_} for grep { !defined $jwk{$_} } keys %jwk;

    return \%jwk;
}


sub numbers {
    my ($self) = @_;

    return (k => encode_base64url($self->{bytes})) if $self->{kty} eq 'oct';

    my $der = slurp("$self->{path}.der");

    if ($self->{kty} eq 'EC') {
        my $size = $curves{ $self->{curve} }[1];

        return (
            crv => $self->{curve},
            x => encode_base64url(substr $der, -2 * $size, $size),
            y => encode_base64url(substr $der, -$size)
        );
    }

    if ($self->{kty} eq 'OKP') {
        return (
            crv => $self->{curve},
            x => encode_base64url(substr $der, -$edwards{ $self->{curve} })
        );
    }

    # the exponent is 65537 and stands last; the modulus before it
    my ($modulus) = openssl('rsa', '-pubin', '-in', "$self->{path}.pub",
                            '-modulus', '-noout') =~ /=([0-9A-F]+)/;

    return (n => encode_base64url(pack 'H*', $modulus), e => 'AQAB');
}


# The text of a JWK Set of keys or of JWKs.
sub jwks {
    return $json->encode({
        keys => [map { ref $_ eq 'HASH' ? $_ : $_->jwk() } @_]
    });
}


# Claims and, if wanted, other members of the header (undef removes).
sub token {
    my ($self, $claims, %header) = @_;

    my %claims = (exp => time() + 3600, %$claims);
    delete $claims{exp} if !defined $claims{exp};

    my %all = (alg => $self->{alg}, typ => 'JWT');
    $all{kid} = $self->{kid} if defined $self->{kid};
    %all = (%all, %header);
    delete $all{$_} for grep { !defined $all{$_} } keys %all;

    return $self->token_of($json->encode(\%all), $json->encode(\%claims));
}


# Header and claims are texts.
sub token_of {
    my ($self, $header, $claims) = @_;

    my $content = encode_base64url($header) . '.' . encode_base64url($claims);

    return $content . '.' . encode_base64url($self->signature($content));
}


# The signature of a JWS as bytes.
sub signature {
    my ($self, $content) = @_;

    if ($self->{kty} eq 'oct') {
        my $hmac = {
            HS256 => \&hmac_sha256, HS384 => \&hmac_sha384,
            HS512 => \&hmac_sha512
        }->{ $self->{alg} };

        return $hmac->($content, $self->{bytes});
    }

    my $der = $self->signature_der($content);

    return $der if $self->{kty} ne 'EC';
    return raw_of_der($der, $curves{ $self->{curve} }[1]);
}


# The signature as openssl makes it.  Further options for a signature of PSS.
sub signature_der {
    my ($self, $content, @options) = @_;

    my $path = tempdir() . '/signed-' . ++$count;

    spew($path, $content);

    if ($self->{kty} eq 'OKP') {
        openssl('pkeyutl', '-sign', '-rawin', '-inkey', $self->path(), '-in',
                $path, '-out', "$path.sig");

    } else {
        my ($kind, $bits) = $self->{alg} =~ /\A(..)(\d+)\z/;
        my @arguments = ("-sha" . ($bits // 256));

        if (($kind // '') eq 'PS') {
            push @arguments, map { ('-sigopt', $_) }
                 'rsa_padding_mode:pss',
                 @options ? @options : 'rsa_pss_saltlen:digest';
        }

        openssl('dgst', @arguments, '-sign', $self->path(), '-out',
                "$path.sig", $path);
    }

    my $signature = slurp("$path.sig");
    unlink $path, "$path.sig";

    return $signature;
}


# SEQUENCE of two INTEGERs to r and s of that many bytes each.
sub raw_of_der {
    my ($der, $size) = @_;

    # of P-521 the length of the sequence may take a byte more
    my $begin = ord(substr $der, 1, 1) == 0x81 ? 3 : 2;
    my ($r, $s) = unpack "x$begin x C/a x C/a", $der;

    return join '', map {
        my $number = $_;
        $number =~ s/\A\0+//;
        ("\0" x ($size - length $number)) . $number
    } $r, $s;
}


# Header names and values for a request with that token.
sub bearer {
    return (authorization => "Bearer $_[-1]");
}


1;
