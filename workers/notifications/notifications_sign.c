/*
 * Copyright (C) the Warren authors
 *
 * Signatures of webhooks, and the secrets they are made with.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "arena.h"
#include "notifications_sign.h"


#define MAC_SIZE  32
#define HEX_SIZE  (2 * MAC_SIZE + 1)


static void mac(const char *key, const char *text, size_t len,
    char hex_r[HEX_SIZE]);


const char *
notifications_sign_secret(struct wr_arena *arena, const char *key,
    const char *user_id, const char *salt)
{
    char         hex[HEX_SIZE];
    const char  *text;

    text = wr_arena_printf(arena, "webhook.%s.%s", user_id, salt);
    mac(key, text, strlen(text), hex);

    return wr_arena_printf(arena, "whsec_%s", hex);
}


const char *
notifications_sign(struct wr_arena *arena, const char *secret, int64_t sec,
    const char *body, size_t len)
{
    char         hex[HEX_SIZE];
    const char  *text;

    text = wr_arena_printf(arena, "%" PRId64 ".%.*s", sec, (int) len, body);
    mac(secret, text, strlen(text), hex);

    return wr_arena_printf(arena, "t=%" PRId64 ",v1=%s", sec, hex);
}


static void
mac(const char *key, const char *text, size_t len, char hex_r[HEX_SIZE])
{
    static const char  digits[] = "0123456789abcdef";

    size_t         i;
    unsigned       n;
    unsigned char  bytes[EVP_MAX_MD_SIZE];

    /* it fails without memory alone, as all that is fatal */

    if (HMAC(EVP_sha256(), key, (int) strlen(key),
             (const unsigned char *) text, len, bytes, &n)
            == NULL
        || n != MAC_SIZE)
    {
        abort();
    }

    for (i = 0; i < MAC_SIZE; i++) {
        hex_r[2 * i] = digits[bytes[i] >> 4];
        hex_r[2 * i + 1] = digits[bytes[i] & 15];
    }

    hex_r[2 * MAC_SIZE] = '\0';
}
