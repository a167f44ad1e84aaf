/*
 * Copyright (C) the Warren authors
 *
 * An HTTP/1.1 answer as it arrives: its status, and where it ends.
 *
 * A body is counted, not kept.  A whole head is read where it lies.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE                             /* memmem() */
#endif

#include "answer.h"

#include <string.h>
#include <strings.h>


/* Of the head that is being read. */
struct fields {
    bool      has_length;
    bool      is_chunked;
    bool      is_http_1_0;
    bool      keeps;            /* Connection: keep-alive */
    uint64_t  length;
};


static int take_head(struct answer *answer, const char **p, const char *end);
static int read_head(struct answer *answer, const char *p, const char *end);
static int read_status(struct answer *answer, const char *p, const char *end,
    struct fields *fields);
static int read_field(struct answer *answer, const char *p, const char *end,
    struct fields *fields);
static int read_length(const char *p, const char *end, struct fields *fields);
static bool has_word(const char *p, const char *end, const char *word);
static void choose_body(struct answer *answer, const struct fields *fields);
static int take_body(struct answer *answer, const char **p, const char *end);
static void skip(struct answer *answer, const char **p, const char *end);
static int take_chunk_size(struct answer *answer, char c);
static int take_chunk_end(struct answer *answer, char c);
static void take_trailer(struct answer *answer, char c);


void
answer_begin(struct answer *answer, bool to_head)
{
    answer->state = ANSWER_HEAD;
    answer->status = 0;
    answer->to_head = to_head;
    answer->closes = false;
    answer->left = 0;
    answer->line = 0;
    answer->in_extension = false;
    answer->head_length = 0;
}


int
answer_take(struct answer *answer, const char *data, size_t size,
    size_t *used_r)
{
    const char  *p, *end;

    p = data;
    end = data + size;

    while (answer->state != ANSWER_DONE && p < end) {

        if ((answer->state == ANSWER_HEAD ? take_head(answer, &p, end)
                                          : take_body(answer, &p, end)) == -1)
        {
            return -1;
        }
    }

    *used_r = (size_t) (p - data);

    return answer->state == ANSWER_DONE;
}


int
answer_end(struct answer *answer)
{
    if (answer->state == ANSWER_UNTIL_CLOSE) {
        answer->state = ANSWER_DONE;
    }

    return answer->state == ANSWER_DONE ? 1 : -1;
}


/* Up to the end of the head, or all there is. */
static int
take_head(struct answer *answer, const char **p, const char *end)
{
    const char  *found;
    size_t       before, from, size;

    if (answer->head_length == 0) {
        found = memmem(*p, (size_t) (end - *p), "\r\n\r\n", 4);

        if (found != NULL) {
            size = (size_t) (found + 4 - *p);
            *p = found + 4;
            return read_head(answer, found + 4 - size, found + 4);
        }
    }

    before = answer->head_length;
    size = (size_t) (end - *p);

    if (size > ANSWER_HEAD_MAX - before) {
        size = ANSWER_HEAD_MAX - before;
    }

    memcpy(answer->head + before, *p, size);
    answer->head_length += size;

    from = before < 3 ? 0 : before - 3;
    found = memmem(answer->head + from, answer->head_length - from,
                   "\r\n\r\n", 4);

    if (found == NULL) {
        *p += size;
        return answer->head_length < ANSWER_HEAD_MAX ? 0 : -1;
    }

    size = (size_t) (found + 4 - answer->head);
    *p += size - before;
    answer->head_length = 0;

    return read_head(answer, answer->head, answer->head + size);
}


static int
read_head(struct answer *answer, const char *p, const char *end)
{
    const char     *line;
    struct fields   fields = { .has_length = false };

    line = memchr(p, '\n', (size_t) (end - p));

    if (read_status(answer, p, line, &fields) == -1) {
        return -1;
    }

    /* the last line is the empty one */
    for (p = line + 1; end - p > 2; p = line + 1) {
        line = memchr(p, '\n', (size_t) (end - p));

        if (read_field(answer, p, line, &fields) == -1) {
            return -1;
        }
    }

    if (fields.is_http_1_0 && !fields.keeps) {
        answer->closes = true;
    }

    choose_body(answer, &fields);

    return 0;
}


static int
read_status(struct answer *answer, const char *p, const char *end,
    struct fields *fields)
{
    int  i;

    if (end - p < 13 || memcmp(p, "HTTP/1.", 7) != 0
        || (p[7] != '0' && p[7] != '1') || p[8] != ' '
        || (p[12] != ' ' && p[12] != '\r'))
    {
        return -1;
    }

    fields->is_http_1_0 = p[7] == '0';
    answer->status = 0;

    for (i = 9; i < 12; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return -1;
        }

        answer->status = answer->status * 10 + p[i] - '0';
    }

    return answer->status >= 100 && answer->status < 600 ? 0 : -1;
}


/* Most headers are none of ours, which their first byte tells. */
static int
read_field(struct answer *answer, const char *p, const char *end,
    struct fields *fields)
{
    size_t  size;

    size = (size_t) (end - p);

    switch (*p) {

    case 'C':
    case 'c':
        if (size > 15 && strncasecmp(p, "content-length:", 15) == 0) {
            return read_length(p + 15, end, fields);
        }

        if (size > 11 && strncasecmp(p, "connection:", 11) == 0) {
            if (has_word(p + 11, end, "close")) {
                answer->closes = true;
            }

            fields->keeps = has_word(p + 11, end, "keep-alive");
        }

        return 0;

    case 'T':
    case 't':
        if (size > 18 && strncasecmp(p, "transfer-encoding:", 18) == 0) {
            fields->is_chunked = has_word(p + 18, end, "chunked");
            return fields->is_chunked ? 0 : -1;
        }

        return 0;

    default:
        return 0;
    }
}


static int
read_length(const char *p, const char *end, struct fields *fields)
{
    int       digits;
    uint64_t  length;

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    length = 0;

    for (digits = 0; p < end && *p >= '0' && *p <= '9'; digits++, p++) {
        length = length * 10 + (uint64_t) (*p - '0');
    }

    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) {
        p++;
    }

    if (p != end || digits == 0 || digits > 18
        || (fields->has_length && fields->length != length))
    {
        return -1;
    }

    fields->has_length = true;
    fields->length = length;

    return 0;
}


/* A list of words between commas, in any case. */
static bool
has_word(const char *p, const char *end, const char *word)
{
    size_t  length, size;

    length = strlen(word);

    while (p < end) {
        p += strspn(p, " \t,");
        size = strcspn(p, " \t,\r\n");

        if (size == length && strncasecmp(p, word, length) == 0) {
            return true;
        }

        /* the line's end, or a NUL in it */
        if (size == 0) {
            break;
        }

        p += size;
    }

    return false;
}


/* RFC 9112, 6.3 */
static void
choose_body(struct answer *answer, const struct fields *fields)
{
    /* an interim answer; the one that counts follows */
    if (answer->status < 200 && answer->status != 101) {
        answer->state = ANSWER_HEAD;
        return;
    }

    if (answer->to_head || answer->status == 101 || answer->status == 204
        || answer->status == 304)
    {
        answer->state = ANSWER_DONE;

    } else if (fields->is_chunked) {
        answer->state = ANSWER_CHUNK_SIZE;

    } else if (fields->has_length) {
        answer->left = fields->length;
        answer->state = fields->length == 0 ? ANSWER_DONE : ANSWER_LENGTH;

    } else {
        answer->closes = true;
        answer->state = ANSWER_UNTIL_CLOSE;
    }
}


/* At least a byte, in one state. */
static int
take_body(struct answer *answer, const char **p, const char *end)
{
    switch (answer->state) {

    case ANSWER_LENGTH:
        skip(answer, p, end);

        if (answer->left == 0) {
            answer->state = ANSWER_DONE;
        }

        return 0;

    case ANSWER_CHUNK_SIZE:
        return take_chunk_size(answer, *(*p)++);

    case ANSWER_CHUNK:
        skip(answer, p, end);

        if (answer->left == 0) {
            answer->state = ANSWER_CHUNK_END;
        }

        return 0;

    case ANSWER_CHUNK_END:
        return take_chunk_end(answer, *(*p)++);

    case ANSWER_TRAILER:
        take_trailer(answer, *(*p)++);
        return 0;

    case ANSWER_UNTIL_CLOSE:
        *p = end;
        return 0;

    default:
        /* HEAD and DONE are the caller's */
        return -1;
    }
}


static void
skip(struct answer *answer, const char **p, const char *end)
{
    uint64_t  size;

    size = (uint64_t) (end - *p);

    if (size > answer->left) {
        size = answer->left;
    }

    *p += size;
    answer->left -= size;
}


static int
take_chunk_size(struct answer *answer, char c)
{
    const char  *digit;

    static const char  digits[] = "0123456789abcdef";

    if (c == '\n') {
        if (answer->line == 0) {
            return -1;
        }

        answer->line = 0;
        answer->in_extension = false;
        answer->state = answer->left == 0 ? ANSWER_TRAILER : ANSWER_CHUNK;
        return 0;
    }

    if (answer->in_extension) {
        return 0;
    }

    if (c == ';' || c == '\r' || c == ' ' || c == '\t') {
        answer->in_extension = true;
        return 0;
    }

    digit = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c | 32
                                                                   : c);

    if (digit == NULL || ++answer->line > 15) {
        return -1;
    }

    answer->left = answer->left * 16 + (uint64_t) (digit - digits);

    return 0;
}


static int
take_chunk_end(struct answer *answer, char c)
{
    if (c != "\r\n"[answer->line]) {
        return -1;
    }

    if (++answer->line == 2) {
        answer->line = 0;
        answer->state = ANSWER_CHUNK_SIZE;
    }

    return 0;
}


/* Lines up to the empty one. */
static void
take_trailer(struct answer *answer, char c)
{
    if (c == '\n') {
        if (answer->line == 0) {
            answer->state = ANSWER_DONE;
        }

        answer->line = 0;

    } else if (c != '\r') {
        answer->line++;
    }
}
