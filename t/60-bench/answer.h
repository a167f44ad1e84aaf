/*
 * Copyright (C) the Warren authors
 *
 * An HTTP/1.1 answer as it arrives: its status, and where it ends.
 */

#ifndef WARREN_BENCH_ANSWER_H
#define WARREN_BENCH_ANSWER_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


/* A longer head, status line and headers, is malformed. */
#define ANSWER_HEAD_MAX  16384


enum answer_state {
    ANSWER_HEAD,                /* before the empty line */
    ANSWER_LENGTH,              /* a body of Content-Length bytes */
    ANSWER_CHUNK_SIZE,          /* in the line before a chunk */
    ANSWER_CHUNK,               /* in a chunk */
    ANSWER_CHUNK_END,           /* in the line end after a chunk */
    ANSWER_TRAILER,             /* in the lines after the last chunk */
    ANSWER_UNTIL_CLOSE,         /* a body that the connection's end ends */
    ANSWER_DONE
};


struct answer {
    enum answer_state  state;
    int                status;          /* 0 until the head is there */
    bool               to_head;         /* answers HEAD: has no body */
    bool               closes;          /* no further answer will come */

    uint64_t           left;            /* bytes of body or chunk to come */
    unsigned           line;            /* bytes of the line so far */
    bool               in_extension;    /* of a chunk's size line */

    size_t             head_length;     /* of a head that came in pieces */
    char               head[ANSWER_HEAD_MAX];
};


/* Before each answer; to_head: the request was HEAD. */
void
answer_begin(struct answer *answer, bool to_head);

/*
 * Takes what has arrived.  1: the answer is complete, and *used_r bytes were
 * of it; 0: it took all and wants more; -1: malformed.
 */
int
answer_take(struct answer *answer, const char *data, size_t size,
    size_t *used_r);

/* The connection has ended: 1 if that completes the answer, else -1. */
int
answer_end(struct answer *answer);


#endif /* WARREN_BENCH_ANSWER_H */
