/*
 * Copyright (C) the Warren authors
 *
 * Signs many tokens with one key and prints them a line each:
 * sign_tokens HS256|RS256 KEY-FILE COUNT SUBJECTS CLAIMS.  The subjects take
 * turns, each token has its own jti, and CLAIMS is what else is between the
 * braces.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>


/* bytes of a secret, of a claims' text and of a token at most */

#define KEY_MAX     16384
#define CLAIMS_MAX  2048
#define TOKEN_MAX   8192

/* bytes of a signature at most: RSA of 8192 bits */

#define SIG_MAX     1024


static EVP_PKEY *read_key(const char *name, bool is_secret);
static bool print_token(EVP_PKEY *key, const char *header, const char *claims);
static size_t encode(char *to, const void *from, size_t len);


int
main(int argc, char **argv)
{
    int             rc, n;
    bool            is_secret;
    char            header[64], claims[CLAIMS_MAX];
    EVP_PKEY       *key;
    unsigned long   i, count, subjects;

    if (argc != 6 || (strcmp(argv[1], "HS256") && strcmp(argv[1], "RS256"))) {
        fprintf(stderr, "usage: sign_tokens HS256|RS256 KEY-FILE COUNT "
                        "SUBJECTS CLAIMS\n");
        return 2;
    }

    is_secret = (argv[1][0] == 'H');
    count = strtoul(argv[3], NULL, 10);
    subjects = strtoul(argv[4], NULL, 10);

    if (subjects == 0) {
        fprintf(stderr, "there must be a subject\n");
        return 2;
    }

    key = read_key(argv[2], is_secret);
    if (key == NULL) {
        fprintf(stderr, "%s: not a key for %s\n", argv[2], argv[1]);
        return 1;
    }

    (void) snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"JWT\"}",
                    argv[1]);
    rc = 0;

    for (i = 0; i < count && rc == 0; i++) {
        n = snprintf(claims, sizeof(claims),
                     "{\"sub\":\"018f2a60-0000-7000-8000-%012lx\","
                     "\"jti\":\"%016lx\",%s}",
                     i % subjects, i, argv[5]);

        if (n < 0 || (size_t) n >= sizeof(claims)
            || !print_token(key, header, claims))
        {
            fprintf(stderr, "token %lu could not be signed\n", i);
            rc = 1;
        }
    }

    if (fflush(stdout) != 0) {
        perror("tokens");
        rc = 1;
    }

    EVP_PKEY_free(key);

    return rc;
}


/* an HMAC key is the bytes of its file */

static EVP_PKEY *
read_key(const char *name, bool is_secret)
{
    FILE           *file;
    size_t          len;
    EVP_PKEY       *key;
    unsigned char   text[KEY_MAX];

    file = fopen(name, "rb");
    if (file == NULL) {
        perror(name);
        return NULL;
    }

    if (is_secret) {
        len = fread(text, 1, sizeof(text), file);
        key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, text, len);

    } else {
        key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    }

    (void) fclose(file);

    return key;
}


static bool
print_token(EVP_PKEY *key, const char *header, const char *claims)
{
    bool            is_signed;
    char            token[TOKEN_MAX];
    size_t          len, sig_len;
    EVP_MD_CTX     *ctx;
    unsigned char   sig[SIG_MAX];

    len = encode(token, header, strlen(header));
    token[len++] = '.';
    len += encode(token + len, claims, strlen(claims));

    sig_len = sizeof(sig);
    ctx = EVP_MD_CTX_new();

    is_signed = ctx != NULL
                && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1
                && EVP_DigestSign(ctx, sig, &sig_len, (unsigned char *) token,
                                  len)
                   == 1;

    EVP_MD_CTX_free(ctx);

    if (!is_signed) {
        return false;
    }

    token[len++] = '.';
    len += encode(token + len, sig, sig_len);
    token[len++] = '\n';

    return fwrite(token, 1, len, stdout) == len;
}


/* base64url without padding; to has room for TOKEN_MAX */

static size_t
encode(char *to, const void *from, size_t len)
{
    size_t  i, n;

    n = (size_t) EVP_EncodeBlock((unsigned char *) to, from, (int) len);

    while (n != 0 && to[n - 1] == '=') {
        n--;
    }

    for (i = 0; i < n; i++) {
        if (to[i] == '+') {
            to[i] = '-';

        } else if (to[i] == '/') {
            to[i] = '_';
        }
    }

    return n;
}
