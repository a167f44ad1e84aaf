/*
 * Copyright (C) the Warren authors
 *
 * Runs a fuzz target where there is no libFuzzer: seeds are changed by numbers
 * that are the same each time, until the time is over.  It takes libFuzzer's
 * options, those it knows.
 */

#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


#define SEEDS_MAX    1024
#define CHANGES_MAX  8

/* seconds that one input may take */
#define ALARM_SEC    20


struct seed {
    uint8_t  *bytes;
    size_t    len;
};


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* of the sanitizers' runtime */
void __sanitizer_set_death_callback(void (*callback)(void));


static void options(int argc, char **argv);
static void read_seeds(const char *dir);
static void try(const uint8_t *data, size_t len);
static size_t change(uint8_t *text, size_t len);
static uint64_t below(uint64_t n);
static void died(void);
static void late(int signo);


static struct seed     seeds[SEEDS_MAX];
static size_t          nseeds;
static long            seconds = 10;
static size_t          max_len = 4096;
static uint64_t        state = 1;
static const char     *prefix = "crash-";
static const uint8_t  *current;
static size_t          current_len;


int
main(int argc, char **argv)
{
    time_t          end;
    size_t          i, len;
    uint8_t        *text;
    unsigned long   runs;

    options(argc, argv);
    __sanitizer_set_death_callback(died);
    signal(SIGALRM, late);

    for (i = 0; i < nseeds; i++) {
        try(seeds[i].bytes, seeds[i].len);
    }

    text = malloc(2 * max_len);

    if (text == NULL || nseeds == 0) {
        fprintf(stderr, "no seeds, or no memory\n");
        return 1;
    }

    end = time(NULL) + seconds;

    for (runs = nseeds; runs % 256 != 0 || time(NULL) < end; runs++) {

        if (runs % 256 == 0) {
            alarm(ALARM_SEC);
        }

        i = below(nseeds);
        len = seeds[i].len < max_len ? seeds[i].len : max_len;
        memcpy(text, seeds[i].bytes, len);

        for (i = below(CHANGES_MAX) + 1; i; i--) {
            len = change(text, len);
        }

        try(text, len);
    }

    alarm(0);
    free(text);

    for (i = 0; i < nseeds; i++) {
        free(seeds[i].bytes);
    }

    printf("stat::number_of_executed_units: %lu\n", runs);

    return 0;
}


static void
options(int argc, char **argv)
{
    int  i;

    for (i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-max_total_time=", 16) == 0) {
            seconds = strtol(argv[i] + 16, NULL, 10);

        } else if (strncmp(argv[i], "-max_len=", 9) == 0) {
            max_len = strtoul(argv[i] + 9, NULL, 10);

        } else if (strncmp(argv[i], "-seed=", 6) == 0) {
            state = strtoul(argv[i] + 6, NULL, 10) | 1;

        } else if (strncmp(argv[i], "-artifact_prefix=", 17) == 0) {
            prefix = argv[i] + 17;

        } else if (argv[i][0] != '-') {
            read_seeds(argv[i]);
        }
    }
}


static void
read_seeds(const char *dir)
{
    DIR            *entries;
    FILE           *file;
    char            path[4096];
    struct seed    *seed;
    struct dirent  *entry;

    entries = opendir(dir);

    if (entries == NULL) {
        return;
    }

    while ((entry = readdir(entries)) != NULL && nseeds < SEEDS_MAX) {

        if (entry->d_name[0] == '.') {
            continue;
        }

        (void) snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);

        file = fopen(path, "rb");
        seed = &seeds[nseeds];
        seed->bytes = malloc(max_len);

        if (file == NULL || seed->bytes == NULL) {
            abort();
        }

        seed->len = fread(seed->bytes, 1, max_len, file);
        (void) fclose(file);
        nseeds++;
    }

    (void) closedir(entries);
}


/* in memory of its own length, so that a sanitizer sees what is behind it */
static void
try(const uint8_t *data, size_t len)
{
    uint8_t  *copy;

    copy = malloc(len ? len : 1);

    if (copy == NULL) {
        abort();
    }

    memcpy(copy, data, len);

    current = copy;
    current_len = len;

    (void) LLVMFuzzerTestOneInput(copy, len);

    current = NULL;
    free(copy);
}


/* text has room for twice the longest input */
static size_t
change(uint8_t *text, size_t len)
{
    size_t              at, n;
    const struct seed  *other;

    static const uint8_t  marks[] = {
        0, 1, 0x7f, 0x80, 0xff, 0xce, 'F', 'A', 'S', '"', '\\', '{', '\r'
    };

    at = below(len + 1);

    switch (len ? below(8) : 0) {

    case 0:
        if (len == max_len) {
            return len;
        }

        memmove(text + at + 1, text + at, len - at);
        text[at] = marks[below(sizeof(marks))];
        return len + 1;

    case 1:
        n = below(len - at + 1);
        memmove(text + at, text + at + n, len - at - n);
        return len - n;

    case 2:
        text[at % len] ^= (uint8_t) (1 << below(8));
        return len;

    case 3:
        text[at % len] = (uint8_t) below(256);
        return len;

    case 4:
        text[at % len] = marks[below(sizeof(marks))];
        return len;

    case 5:
        n = below(4) + 1;
        n = n < len - at ? n : len - at;
        memset(text + at, below(2) ? 0xff : 0, n);
        return len;

    case 6:
        n = below(len - at + 1);
        n = len + n < max_len ? n : max_len - len;
        memmove(text + at + n, text + at, len - at);
        return len + n;

    default:
        other = &seeds[below(nseeds)];
        n = below(other->len + 1);
        n = at + n < max_len ? n : max_len - at;
        memcpy(text + at, other->bytes, n);
        return at + n > len ? at + n : len;
    }
}


/* xorshift; n is not 0 */
static uint64_t
below(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return state % n;
}


static void
died(void)
{
    FILE  *file;
    char   path[4096];

    (void) snprintf(path, sizeof(path), "%sinput", prefix);
    file = fopen(path, "wb");

    if (file != NULL && current != NULL) {
        (void) fwrite(current, 1, current_len, file);
        (void) fclose(file);
    }
}


static void
late(int signo)
{
    (void) signo;

    fprintf(stderr, "an input takes too long\n");
    died();
    abort();
}
