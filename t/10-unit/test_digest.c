/*
 * Copyright (C) the Warren authors
 *
 * Digests: SHA-256 of parts with their lengths.
 */

#include "digest.h"
#include "tap.h"


static void parts(const char *one, const char *two,
    char text_r[WR_DIGEST_SIZE]);


int
main(void)
{
    char               text[WR_DIGEST_SIZE], other[WR_DIGEST_SIZE];
    struct wr_digest  *digest;

    digest = wr_digest_new();
    wr_digest_end(&digest, text);
    is_str(text, "e3b0c44298fc1c149afbf4c8996fb924"
                 "27ae41e4649b934ca495991b7852b855",
           "nothing has the digest of nothing");
    ok(digest == NULL, "and it is freed");

    /* eight bytes of the length, then "abc" */

    digest = wr_digest_new();
    wr_digest_add(digest, "abc", 3);
    wr_digest_end(&digest, text);
    is_str(text, "c3494ca1a2cf8eeb8a11ded316fb55b8"
                 "3c3bbbedb6313cd50415251e5d09e12f",
           "a part goes in behind its length");

    parts("ab", "c", text);
    parts("a", "bc", other);
    ok(strcmp(text, other) != 0, "parts do not run into one another");

    parts("ab", "c", other);
    is_str(text, other, "the same parts have the same digest");

    return done();
}


static void
parts(const char *one, const char *two, char text_r[WR_DIGEST_SIZE])
{
    struct wr_digest  *digest;

    digest = wr_digest_new();
    wr_digest_add(digest, one, strlen(one));
    wr_digest_add(digest, two, strlen(two));
    wr_digest_end(&digest, text_r);
}
