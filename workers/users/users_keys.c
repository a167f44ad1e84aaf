/*
 * Copyright (C) the Warren authors
 *
 * The keys of access tokens: one file, or a directory in which they rotate.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "arena.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "users_keys.h"


#define SUFFIX           ".pem"
#define COORDINATE_SIZE  32
#define ERROR_SIZE       512

/* between two looks at the directory */
#define REREAD_MS        1000

/* what a kid begins with, and what follows it behind a "-" */
#define TIME_FORMAT  "%Y%m%dT%H%M%SZ"
#define TIME_LEN     16
#define TIME_SIZE    32
#define WORD_CHARS   "0123456789abcdefghijklmnopqrstuvwxyz"


/* What was read at one time, sorted: the key that signs last is the last. */

struct set {
    size_t             count;
    struct users_key  *key[USERS_KEYS_MAX + 1];
};


struct users_keys {
    const char  *file;              /* "": none */
    const char  *kid;
    const char  *directory;         /* "": none */
    struct set   set;
    int64_t      read_ms;
    char         error[ERROR_SIZE]; /* of the last time; "": none */
};


static int set_read(struct set *set, const struct users_keys *keys,
    char error_r[ERROR_SIZE]);
static int read_directory(struct set *set, const char *directory,
    char error_r[ERROR_SIZE]);
static int read_entry(struct set *set, int dir, const char *directory,
    const char *name, char error_r[ERROR_SIZE]);
static int64_t signs_from(const char *kid);
static int read_key(struct users_key *key, int dir, const char *name,
    const char **reason_r);
static int parse(struct users_key *key);
static int coordinate(EVP_PKEY *pkey, const char *name, char *text_r);
static int no_passphrase(char *text, int size, int is_writing, void *data);
static int compare(const void *a, const void *b);
static bool set_same(const struct set *a, const struct set *b);
static void set_clear(struct set *set);
static void reread(struct users_keys *keys);


struct users_keys *
users_keys_new(const char *file, const char *kid, const char *directory,
    const char **error_r)
{
    static char  error[ERROR_SIZE];

    struct users_keys  *keys;

    if (file[0] == '\0' && directory[0] == '\0') {
        *error_r = "neither token.key_directory nor token.key_file is set";
        return NULL;
    }

    if (file[0] != '\0' && kid[0] == '\0') {
        *error_r = "token.key_id must be there with token.key_file";
        return NULL;
    }

    if (strlen(kid) >= sizeof(((struct users_key *) 0)->kid)) {
        *error_r = "token.key_id is too long";
        return NULL;
    }

    keys = calloc(1, sizeof(*keys));

    if (keys == NULL) {
        *error_r = "out of memory";
        return NULL;
    }

    keys->file = file;
    keys->kid = kid;
    keys->directory = directory;
    keys->read_ms = wr_clock_ms();

    if (set_read(&keys->set, keys, error) == -1) {
        *error_r = error;
        users_keys_free(&keys);
    }

    return keys;
}


void
users_keys_free(struct users_keys **keys)
{
    if (*keys != NULL) {
        set_clear(&(*keys)->set);
        free(*keys);
        *keys = NULL;
    }
}


const struct users_key *
users_keys_signing(struct users_keys *keys)
{
    size_t   i;
    int64_t  now;

    reread(keys);
    now = wr_clock_wall_ms() / 1000;

    for (i = keys->set.count; i > 1; i--) {

        if (keys->set.key[i - 1]->signs_from_sec <= now) {
            return keys->set.key[i - 1];
        }
    }

    /* one has to, even if its time has not come */
    return keys->set.key[0];
}


const char *
users_keys_json(struct users_keys *keys, struct wr_arena *arena,
    size_t *len_r)
{
    size_t                   i;
    const struct users_key  *key;
    struct wr_json_writer   *writer;

    reread(keys);
    writer = wr_json_writer_new(arena);

    wr_json_object_begin(writer, NULL);
    wr_json_array_begin(writer, "keys");

    for (i = 0; i < keys->set.count; i++) {
        key = keys->set.key[i];

        wr_json_object_begin(writer, NULL);
        wr_json_put_text(writer, "kty", "EC");
        wr_json_put_text(writer, "crv", "P-256");
        wr_json_put_text(writer, "x", key->x);
        wr_json_put_text(writer, "y", key->y);
        wr_json_put_text(writer, "use", "sig");
        wr_json_put_text(writer, "alg", "ES256");
        wr_json_put_text(writer, "kid", key->kid);
        wr_json_object_end(writer);
    }

    wr_json_array_end(writer);
    wr_json_object_end(writer);

    return wr_json_writer_text(writer, len_r);
}


/* All of them, or -1 and the reason, with the set empty. */

static int
set_read(struct set *set, const struct users_keys *keys,
    char error_r[ERROR_SIZE])
{
    const char        *reason;
    struct users_key  *key;

    memset(set, 0, sizeof(*set));

    if (keys->file[0] != '\0') {
        key = calloc(1, sizeof(*key));

        if (key == NULL) {
            snprintf(error_r, ERROR_SIZE, "out of memory");
            return -1;
        }

        set->key[set->count++] = key;
        memcpy(key->kid, keys->kid, strlen(keys->kid));

        if (read_key(key, AT_FDCWD, keys->file, &reason) == -1) {
            snprintf(error_r, ERROR_SIZE, "token.key_file %s: %s", keys->file,
                     reason);
            set_clear(set);
            return -1;
        }
    }

    if (keys->directory[0] != '\0'
        && read_directory(set, keys->directory, error_r) == -1)
    {
        set_clear(set);
        return -1;
    }

    if (set->count == 0) {
        snprintf(error_r, ERROR_SIZE, "token.key_directory %s: has no key; "
                 "\"warren keys rotate\" makes one", keys->directory);
        return -1;
    }

    qsort(set->key, set->count, sizeof(set->key[0]), compare);

    return 0;
}


static int
read_directory(struct set *set, const char *directory,
    char error_r[ERROR_SIZE])
{
    int             rc;
    DIR            *dir;
    struct dirent  *entry;

    rc = 0;
    dir = opendir(directory);

    if (dir == NULL) {
        snprintf(error_r, ERROR_SIZE, "token.key_directory %s: %s", directory,
                 strerror(errno));
        return -1;
    }

    for ( ;; ) {
        errno = 0;
        entry = readdir(dir);

        if (entry == NULL) {
            break;
        }

        rc = read_entry(set, dirfd(dir), directory, entry->d_name, error_r);

        if (rc == -1) {
            break;
        }
    }

    if (rc == 0 && errno != 0) {
        snprintf(error_r, ERROR_SIZE, "token.key_directory %s: %s", directory,
                 strerror(errno));
        rc = -1;
    }

    closedir(dir);

    return rc;
}


static int
read_entry(struct set *set, int dir, const char *directory, const char *name,
    char error_r[ERROR_SIZE])
{
    size_t             len;
    const char        *reason;
    struct users_key  *key;

    len = strlen(name);

    if (name[0] == '.' || len <= strlen(SUFFIX)
        || strcmp(name + len - strlen(SUFFIX), SUFFIX) != 0)
    {
        return 0;
    }

    len -= strlen(SUFFIX);
    key = calloc(1, sizeof(*key));

    if (key == NULL) {
        snprintf(error_r, ERROR_SIZE, "out of memory");
        return -1;
    }

    if (set->count >= USERS_KEYS_MAX) {
        reason = "one key too many; \"warren keys prune\" deletes old ones";
        goto failed;
    }

    if (len < sizeof(key->kid)) {
        memcpy(key->kid, name, len);
        key->signs_from_sec = signs_from(key->kid);
    }

    if (key->signs_from_sec <= 0) {
        reason = "its name is not that of a key, "
                 "YYYYMMDDThhmmssZ-WORD.pem";
        goto failed;
    }

    if (read_key(key, dir, name, &reason) == -1) {

        /* "warren keys prune" may have been faster */

        if (errno == ENOENT) {
            free(key);
            return 0;
        }

        goto failed;
    }

    set->key[set->count++] = key;

    return 0;

failed:

    snprintf(error_r, ERROR_SIZE, "token.key_directory %s: %s: %s", directory,
             name, reason);
    explicit_bzero(key, sizeof(*key));
    free(key);

    return -1;
}


/* Seconds since the epoch, or 0 if the kid does not begin with a time. */

static int64_t
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

    return (int64_t) when;
}


/* errno is that of open(), 0 if it is something else. */

static int
read_key(struct users_key *key, int dir, const char *name,
    const char **reason_r)
{
    int          fd, rc;
    ssize_t      n;
    struct stat  st;

    rc = -1;
    fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd == -1) {
        *reason_r = strerror(errno);
        return -1;
    }

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        *reason_r = "is no file";
        goto done;
    }

    if (st.st_mode & S_IROTH) {
        *reason_r = "may be read by everybody; chmod o= it";
        goto done;
    }

    do {
        n = read(fd, key->pem + key->pem_len,
                 sizeof(key->pem) - key->pem_len);
        key->pem_len += n > 0 ? (size_t) n : 0;
    } while (n > 0 || (n == -1 && errno == EINTR));

    if (n == -1 || key->pem_len == sizeof(key->pem)) {
        *reason_r = "cannot be read, or is too large for a key";
        goto done;
    }

    if (parse(key) == -1) {
        *reason_r = "no private key, PEM, EC on P-256";
        goto done;
    }

    rc = 0;

done:

    close(fd);
    errno = 0;

    return rc;
}


static int
parse(struct users_key *key)
{
    int        rc;
    BIO       *bio;
    char       group[64];
    EVP_PKEY  *pkey;

    rc = -1;
    pkey = NULL;
    bio = BIO_new_mem_buf(key->pem, (int) key->pem_len);

    if (bio != NULL) {
        pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    }

    if (pkey != NULL && EVP_PKEY_is_a(pkey, "EC")
        && EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1
        && strcmp(group, "prime256v1") == 0
        && coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, key->x) == 0
        && coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, key->y) == 0)
    {
        rc = 0;
    }

    EVP_PKEY_free(pkey);
    BIO_free(bio);
    ERR_clear_error();

    return rc;
}


/* In base64url. */

static int
coordinate(EVP_PKEY *pkey, const char *name, char *text_r)
{
    int            rc;
    char          *p;
    BIGNUM        *number;
    unsigned char  data[COORDINATE_SIZE];

    number = NULL;

    if (EVP_PKEY_get_bn_param(pkey, name, &number) != 1) {
        return -1;
    }

    rc = BN_bn2binpad(number, data, COORDINATE_SIZE);
    BN_free(number);

    if (rc != COORDINATE_SIZE) {
        return -1;
    }

    EVP_EncodeBlock((unsigned char *) text_r, data, COORDINATE_SIZE);

    for (p = text_r; *p != '\0'; p++) {
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
    }

    return 0;
}


/* Nobody is there to be asked. */

static int
no_passphrase(char *text, int size, int is_writing, void *data)
{
    (void) text;
    (void) size;
    (void) is_writing;
    (void) data;

    return -1;
}


static int
compare(const void *a, const void *b)
{
    const struct users_key  *first, *second;

    first = *(struct users_key *const *) a;
    second = *(struct users_key *const *) b;

    if (first->signs_from_sec != second->signs_from_sec) {
        return first->signs_from_sec < second->signs_from_sec ? -1 : 1;
    }

    return strcmp(first->kid, second->kid);
}


static bool
set_same(const struct set *a, const struct set *b)
{
    size_t  i;

    if (a->count != b->count) {
        return false;
    }

    for (i = 0; i < a->count; i++) {

        if (strcmp(a->key[i]->kid, b->key[i]->kid) != 0
            || strcmp(a->key[i]->x, b->key[i]->x) != 0)
        {
            return false;
        }
    }

    return true;
}


static void
set_clear(struct set *set)
{
    size_t  i;

    for (i = 0; i < set->count; i++) {
        explicit_bzero(set->key[i], sizeof(*set->key[i]));
        free(set->key[i]);
    }

    set->count = 0;
}


static void
reread(struct users_keys *keys)
{
    char        error[ERROR_SIZE];
    int64_t     now;
    struct set  fresh;

    now = wr_clock_ms();

    if (keys->directory[0] == '\0' || now - keys->read_ms < REREAD_MS) {
        return;
    }

    keys->read_ms = now;

    if (set_read(&fresh, keys, error) == -1) {

        /* told once */

        if (strcmp(error, keys->error) != 0) {
            wr_log_error(NULL, "keys cannot be read again, those that are "
                         "known stay: %s", error);
            memcpy(keys->error, error, sizeof(error));
        }

        return;
    }

    if (keys->error[0] != '\0' || !set_same(&fresh, &keys->set)) {
        wr_log_info(NULL, "keys read again, there are: %zu, newest: %s",
                    fresh.count, fresh.key[fresh.count - 1]->kid);
    }

    keys->error[0] = '\0';
    set_clear(&keys->set);
    keys->set = fresh;
}
