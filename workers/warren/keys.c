/*
 * Copyright (C) the Warren authors
 *
 * A directory of keys that sign tokens one after the other.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "key.h"
#include "keys.h"
#include "text.h"


#define SUFFIX  ".pem"

/* A file that is being written; no reader looks at what begins with ".". */
#define FRESH   ".fresh"

/* what a kid begins with, and what follows it behind a "-" */
#define TIME_FORMAT  "%Y%m%dT%H%M%SZ"
#define TIME_LEN     16
#define TIME_SIZE    32
#define WORD_CHARS   "0123456789abcdefghijklmnopqrstuvwxyz"


static int read_names(struct keys *keys, const char **error_r);
static int take_name(struct keys *keys, const char *name,
    const char **error_r);
static time_t signs_from(const char *kid);
static int compare(const void *a, const void *b);
static void tell_states(struct keys *keys);
static BIO *make_pem(void);
static int write_file(const struct keys *keys, BIO *pem, const char *name,
    const char **error_r);
static int write_all(int fd, const char *data, size_t len);


int
keys_open(struct keys *keys, const char *path, int is_locked,
    const char **error_r)
{
    struct stat  st;

    memset(keys, 0, sizeof(*keys));
    keys->path = path;
    keys->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (keys->fd == -1 || fstat(keys->fd, &st) == -1) {
        *error_r = text_error("%s: %s", path, strerror(errno));
        goto failed;
    }

    if (st.st_mode & S_IWOTH) {
        *error_r = text_error("%s may be written by everybody; chmod o= it",
                              path);
        goto failed;
    }

    if (is_locked && flock(keys->fd, LOCK_EX) == -1) {
        *error_r = text_error("%s: %s", path, strerror(errno));
        goto failed;
    }

    keys->now = time(NULL);

    if (read_names(keys, error_r) == -1) {
        goto failed;
    }

    qsort(keys->key, keys->count, sizeof(keys->key[0]), compare);
    tell_states(keys);

    return 0;

failed:

    keys_close(keys);

    return -1;
}


void
keys_close(struct keys *keys)
{
    if (keys->fd != -1) {
        close(keys->fd);
        keys->fd = -1;
    }
}


const char *
keys_state_name(enum keys_state state)
{
    static const char *const  names[] = { "old", "signing", "next" };

    return names[state];
}


int
keys_add(struct keys *keys, time_t signs_from, char kid_r[KEYS_KID_SIZE],
    const char **error_r)
{
    int             rc;
    BIO            *pem;
    char            when[TIME_SIZE], *name;
    struct tm       tm;
    unsigned char   random[4];

    if (keys->count >= KEYS_MAX) {
        *error_r = text_error("%s has %d keys already; \"warren keys prune\" "
                              "deletes old ones", keys->path, KEYS_MAX);
        return -1;
    }

    if (RAND_bytes(random, sizeof(random)) != 1
        || gmtime_r(&signs_from, &tm) == NULL
        || strftime(when, sizeof(when), TIME_FORMAT, &tm) == 0)
    {
        *error_r = text_error("no key could be named");
        return -1;
    }

    snprintf(kid_r, KEYS_KID_SIZE, "%s-%02x%02x%02x%02x", when, random[0],
             random[1], random[2], random[3]);

    pem = make_pem();

    if (pem == NULL) {
        *error_r = text_error("no key could be made");
        return -1;
    }

    name = text_printf("%s" SUFFIX, kid_r);
    rc = write_file(keys, pem, name, error_r);
    free(name);
    BIO_free(pem);

    return rc;
}


int
keys_check(const struct keys *keys, const struct keys_key *key,
    const char **error_r)
{
    char      *path;
    EVP_PKEY  *pkey;

    path = text_printf("%s/%s" SUFFIX, keys->path, key->kid);
    pkey = key_load(path, true, error_r);
    free(path);
    EVP_PKEY_free(pkey);

    return pkey == NULL ? -1 : 0;
}


int
keys_delete(const struct keys *keys, const struct keys_key *key,
    const char **error_r)
{
    int    rc;
    char  *name;

    name = text_printf("%s" SUFFIX, key->kid);
    rc = unlinkat(keys->fd, name, 0);

    if (rc == 0) {
        rc = fsync(keys->fd);
    }

    if (rc == -1) {
        *error_r = text_error("%s/%s: %s", keys->path, name, strerror(errno));
    }

    free(name);

    return rc;
}


static int
read_names(struct keys *keys, const char **error_r)
{
    int             fd, rc;
    DIR            *dir;
    struct dirent  *entry;

    fd = openat(keys->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = fd == -1 ? NULL : fdopendir(fd);

    if (dir == NULL) {
        *error_r = text_error("%s: %s", keys->path, strerror(errno));

        if (fd != -1) {
            close(fd);
        }

        return -1;
    }

    do {
        errno = 0;
        entry = readdir(dir);
        rc = entry == NULL ? 0 : take_name(keys, entry->d_name, error_r);
    } while (entry != NULL && rc == 0);

    if (rc == 0 && errno != 0) {
        *error_r = text_error("%s: %s", keys->path, strerror(errno));
        rc = -1;
    }

    closedir(dir);

    return rc;
}


static int
take_name(struct keys *keys, const char *name, const char **error_r)
{
    size_t            len;
    struct keys_key  *key;

    len = strlen(name);

    if (name[0] == '.' || len <= strlen(SUFFIX)
        || strcmp(name + len - strlen(SUFFIX), SUFFIX) != 0)
    {
        return 0;
    }

    if (keys->count == KEYS_MAX) {
        *error_r = text_error("%s has more than %d keys", keys->path,
                              KEYS_MAX);
        return -1;
    }

    key = &keys->key[keys->count];
    len -= strlen(SUFFIX);

    if (len < sizeof(key->kid)) {
        memcpy(key->kid, name, len);
        key->kid[len] = '\0';
        key->signs_from = signs_from(key->kid);
    }

    if (key->signs_from <= 0) {
        *error_r = text_error("%s/%s: its name is not that of a key, "
                              "YYYYMMDDThhmmssZ-WORD.pem", keys->path, name);
        return -1;
    }

    keys->count++;

    return 0;
}


/* Since the epoch, or 0 if the kid does not begin with a time. */

static time_t
signs_from(const char *kid)
{
    int        len;
    char       again[TIME_SIZE];
    time_t     when;
    struct tm  tm;

    len = 0;
    memset(&tm, 0, sizeof(tm));

    if (sscanf(kid, "%4d%2d%2dT%2d%2d%2dZ-%n", &tm.tm_year, &tm.tm_mon,
               &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &len) != 6
        || len != TIME_LEN + 1 || kid[len] == '\0'
        || strspn(kid + len, WORD_CHARS) != strlen(kid + len))
    {
        return 0;
    }

    tm.tm_year -= 1900;
    tm.tm_mon--;
    when = timegm(&tm);

    /* there is no 31st of February */

    if (gmtime_r(&when, &tm) == NULL
        || strftime(again, sizeof(again), TIME_FORMAT, &tm) != TIME_LEN
        || memcmp(kid, again, TIME_LEN) != 0)
    {
        return 0;
    }

    return when;
}


static int
compare(const void *a, const void *b)
{
    const struct keys_key  *first, *second;

    first = a;
    second = b;

    if (first->signs_from != second->signs_from) {
        return first->signs_from < second->signs_from ? -1 : 1;
    }

    return strcmp(first->kid, second->kid);
}


/* As the service of users sees it: the last one whose time has come signs, or
   the first one if there is none. */

static void
tell_states(struct keys *keys)
{
    size_t  i, signing;

    signing = 0;

    for (i = 0; i < keys->count; i++) {

        if (keys->key[i].signs_from <= keys->now) {
            signing = i;
        }

        keys->key[i].signs_until = i + 1 < keys->count
                                   ? keys->key[i + 1].signs_from : 0;
    }

    for (i = 0; i < keys->count; i++) {
        keys->key[i].state = i < signing ? KEYS_OLD
                             : i == signing ? KEYS_SIGNING : KEYS_NEXT;
    }
}


/* An EC key on P-256; NULL if there is none. */

static BIO *
make_pem(void)
{
    BIO       *bio;
    EVP_PKEY  *key;

    bio = NULL;
    key = EVP_EC_gen("P-256");

    if (key == NULL) {
        return NULL;
    }

    bio = BIO_new(BIO_s_secmem());

    if (bio != NULL
        && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
    {
        BIO_free(bio);
        bio = NULL;
    }

    EVP_PKEY_free(key);

    return bio;
}


/* A reader sees the whole file or none, and so does who comes after a fall of
   the machine. */

static int
write_file(const struct keys *keys, BIO *pem, const char *name,
    const char **error_r)
{
    int           fd, rc;
    char         *data;
    long          len;
    struct stat   st;

    rc = -1;
    len = BIO_get_mem_data(pem, &data);

    /* one that was ended in the middle has left it */
    unlinkat(keys->fd, FRESH, 0);
    fd = openat(keys->fd, FRESH, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                0600);

    if (fd == -1 || fstat(keys->fd, &st) == -1) {
        goto done;
    }

    /* an administrator makes it for who reads the directory */

    if (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) == -1) {
        goto done;
    }

    if (write_all(fd, data, (size_t) len) == -1
        || fsync(fd) == -1
        || renameat(keys->fd, FRESH, keys->fd, name) == -1
        || fsync(keys->fd) == -1)
    {
        goto done;
    }

    rc = 0;

done:

    if (rc == -1) {
        *error_r = text_error("%s/%s: %s; nothing has changed", keys->path,
                              name, strerror(errno));
        unlinkat(keys->fd, FRESH, 0);
    }

    if (fd != -1) {
        close(fd);
    }

    return rc;
}


static int
write_all(int fd, const char *data, size_t len)
{
    ssize_t  n;

    while (len > 0) {
        n = write(fd, data, len);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            return -1;
        }

        data += n;
        len -= (size_t) n;
    }

    return 0;
}
