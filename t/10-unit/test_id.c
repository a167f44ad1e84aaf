/*
 * Copyright (C) the Warren authors
 *
 * Identifiers: version and order of UUIDs, what is taken for one, random hex.
 */

#include <ctype.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "id.h"
#include "tap.h"


#define MANY  20000


static void test_order(void);
static void test_is_uuid(void);
static void test_hex(void);
static void test_fork(void);


int
main(void)
{
    test_order();
    test_is_uuid();
    test_hex();
    test_fork();

    return done();
}


static void
test_order(void)
{
    int      i;
    char     last[WR_UUID_SIZE], uuid[WR_UUID_SIZE], time[16];
    bool     rises, is_uuid, version, variant;
    int64_t  before, ms;

    before = wr_clock_wall_ms();
    rises = is_uuid = version = variant = true;
    last[0] = '\0';

    for (i = 0; i < MANY; i++) {
        wr_id_uuid7(uuid);
        rises = rises && strcmp(last, uuid) < 0;
        is_uuid = is_uuid && wr_id_is_uuid(uuid)
                  && strlen(uuid) == WR_UUID_SIZE - 1;
        version = version && uuid[14] == '7';
        variant = variant && strchr("89ab", uuid[19]) != NULL;

        if (i == 0) {
            snprintf(time, sizeof(time), "%.8s%.4s", uuid, uuid + 9);
            ms = strtoll(time, NULL, 16);
            ok(ms >= before && ms <= wr_clock_wall_ms(),
               "its first 48 bits are the time in milliseconds");
        }

        memcpy(last, uuid, sizeof(last));
    }

    ok(rises, "%d UUIDs in a row rise strictly", MANY);
    ok(is_uuid, "each is canonical");
    ok(version, "each has version 7");
    ok(variant, "each has the variant of RFC 9562");
}


static void
test_is_uuid(void)
{
    ok(wr_id_is_uuid("01890a5d-ac96-774b-bcce-b302099a8057"),
       "lower case is a UUID");
    ok(wr_id_is_uuid("01890A5D-AC96-774B-BCCE-B302099A8057"),
       "upper case is a UUID");
    ok(wr_id_is_uuid("00000000-0000-0000-0000-000000000000"),
       "the nil UUID is one");
    ok(!wr_id_is_uuid(NULL), "NULL is none");
    ok(!wr_id_is_uuid(""), "an empty text is none");
    ok(!wr_id_is_uuid("01890a5d-ac96-774b-bcce-b302099a805"),
       "one digit less is none");
    ok(!wr_id_is_uuid("01890a5d-ac96-774b-bcce-b302099a80577"),
       "one digit more is none");
    ok(!wr_id_is_uuid("01890a5dac96774bbcceb302099a8057"),
       "one without dashes is none");
    ok(!wr_id_is_uuid("01890a5d-ac96-774b-bcce-b302099a805g"),
       "a letter that is no digit is none");
    ok(!wr_id_is_uuid("{1890a5d-ac96-774b-bcce-b302099a805}"),
       "braces are none");
    ok(!wr_id_is_uuid("01890a5d-ac96-774b-bcceb-302099a8057"),
       "a dash at another place is none");
    ok(!wr_id_is_uuid(" 1890a5d-ac96-774b-bcce-b302099a8057"),
       "a blank is none");
}


static void
test_hex(void)
{
    int   i, ones[256];
    char  a[257], b[257];
    bool  is_hex;

    memset(a, 'x', sizeof(a));
    wr_id_random_hex(a, 8);
    is_int(strlen(a), 16, "8 bytes are 16 digits");
    is_int(a[17], 'x', "nothing is written behind the end");

    wr_id_random_hex(a, 0);
    is_str(a, "", "no bytes are an empty text");

    wr_id_random_hex(a, 128);
    wr_id_random_hex(b, 128);
    is_int(strlen(a), 256, "128 bytes are 256 digits");
    ok(strcmp(a, b) != 0, "two are not the same");

    is_hex = true;
    memset(ones, 0, sizeof(ones));

    for (i = 0; i < 256; i++) {
        is_hex = is_hex && (isdigit((unsigned char) a[i])
                            || (a[i] >= 'a' && a[i] <= 'f'));
        ones[(unsigned char) a[i]]++;
    }

    ok(is_hex, "digits are hexadecimal in lower case");
    ok(ones['0'] < 100, "they are not all the same");
}


/* What a process keeps of the kernel's random bytes is not its child's. */

static void
test_fork(void)
{
    int   fds[2];
    char  ours[33], theirs[33];

    wr_id_random_hex(ours, 16);

    if (pipe(fds) != 0) {
        abort();
    }

    if (fork() == 0) {
        wr_id_random_hex(theirs, 16);
        _exit(write(fds[1], theirs, sizeof(theirs)) != sizeof(theirs));
    }

    wr_id_random_hex(ours, 16);
    ok(read(fds[0], theirs, sizeof(theirs)) == sizeof(theirs)
       && strlen(theirs) == 32 && strcmp(ours, theirs) != 0,
       "a forked process has other random bytes than its parent");
    wait(NULL);
    close(fds[0]);
    close(fds[1]);
}
