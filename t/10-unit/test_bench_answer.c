/*
 * Copyright (C) the Warren authors
 *
 * Where an HTTP answer ends, however it is cut into pieces.
 */

#include "answer.h"
#include "tap.h"

#include <stdlib.h>


static void test_whole_and_split(void);
static void test_malformed(void);
static void test_end(void);
static void test_head_too_large(void);
static void split(const char *name, const char *text, bool to_head, int status,
    size_t after, bool closes);
static int feed(struct answer *answer, const char *text, size_t size,
    size_t piece, size_t *used_r);


int
main(void)
{
    test_whole_and_split();
    test_malformed();
    test_end();
    test_head_too_large();

    return done();
}


static void
test_whole_and_split(void)
{
    split("a body of known length",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
          false, 200, 0, false);
    split("names in any case",
          "HTTP/1.1 500 No\r\ncOnTENT-lENGTH:2  \r\nCONNECTION: x, Close\r\n"
          "\r\nno", false, 500, 0, true);
    split("a body in chunks",
          "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
          "5;name=\"a\"\r\nhello\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n"
          "Trailer: yes\r\n\r\n", false, 201, 0, false);
    split("a chunk that looks like an end",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
          "Content-Length: 3\r\n\r\n8\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n",
          false, 200, 0, false);
    split("an interim answer before",
          "HTTP/1.1 103 Early\r\nLink: <a>\r\n\r\n"
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, 200, 0, false);
    split("a 204, which has no body", "HTTP/1.1 204 No Content\r\n\r\n",
          false, 204, 0, false);
    split("a 304, whose length is of another answer",
          "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
          false, 304, 0, false);
    split("an answer to HEAD",
          "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", true, 200, 0,
          false);
    split("an answer of HTTP/1.0, which closes",
          "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", false, 200, 0,
          true);
    split("an answer of HTTP/1.0 that keeps the connection",
          "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n"
          "\r\na", false, 200, 0, false);
    split("what is after an answer is not of it",
          "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"
          "HTTP/1.1 500 Unasked\r\n\r\n", false, 200, 24, false);
}


static void
test_malformed(void)
{
    unsigned        i;
    size_t          used;
    struct answer  *answer;

    static const char  *texts[] = {
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 999 Much\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: \0chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "1111111111111111\r\n",
    };

    answer = malloc(sizeof(struct answer));

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        answer_begin(answer, false);
        ok(feed(answer, texts[i], i == 9 ? 58 : strlen(texts[i]), 1, &used)
           == -1, "malformed text %u is refused", i);
    }

    free(answer);
}


static void
test_end(void)
{
    size_t          used;
    struct answer  *answer;

    answer = malloc(sizeof(struct answer));

    answer_begin(answer, false);
    is_int(feed(answer, "HTTP/1.1 200 OK\r\n\r\nsome", 23, 7, &used), 0,
           "a body without a length goes on");
    is_int(answer_end(answer), 1, "until the connection ends");
    ok(answer->closes, "which it does");

    answer_begin(answer, false);
    is_int(feed(answer, "HTTP/1.1 200 OK\r\n", 17, 17, &used), 0,
           "half a head is no answer");
    is_int(answer_end(answer), -1, "also at the connection's end");

    answer_begin(answer, false);
    (void) feed(answer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 42,
                42, &used);
    is_int(answer_end(answer), -1, "nor is a body that is too short");

    free(answer);
}


static void
test_head_too_large(void)
{
    char           *text;
    size_t          used;
    struct answer  *answer;

    text = malloc(ANSWER_HEAD_MAX);
    memset(text, 'a', ANSWER_HEAD_MAX);

    answer = malloc(sizeof(struct answer));
    answer_begin(answer, false);
    is_int(feed(answer, text, ANSWER_HEAD_MAX - 1, 1000, &used), 0,
           "a head may be as long as its limit");
    is_int(answer_take(answer, text, 1, &used), -1, "and no longer");

    free(answer);
    free(text);
}


/* In pieces of each size; after: bytes at the end that are not of it. */
static void
split(const char *name, const char *text, bool to_head, int status,
    size_t after, bool closes)
{
    int             wrong;
    size_t          piece, size, used;
    struct answer  *answer;

    answer = malloc(sizeof(struct answer));
    size = strlen(text);
    wrong = 0;

    for (piece = 1; piece <= size; piece++) {
        answer_begin(answer, to_head);

        if (feed(answer, text, size, piece, &used) != 1
            || answer->status != status || answer->closes != closes
            || used != size - after)
        {
            diag("in pieces of %zu: status %d, %zu bytes", piece,
                 answer->status, used);
            wrong++;
        }
    }

    is_int(wrong, 0, "%s", name);
    free(answer);
}


/* A piece is a block of its own, so that a sanitizer sees a read beyond it. */
static int
feed(struct answer *answer, const char *text, size_t size, size_t piece,
    size_t *used_r)
{
    int      code;
    char    *copy;
    size_t   done, n, used;

    code = 0;

    for (done = 0; done < size && code == 0; done += used) {
        n = size - done < piece ? size - done : piece;
        copy = malloc(n);
        memcpy(copy, text + done, n);
        code = answer_take(answer, copy, n, &used);
        free(copy);

        if (code == -1) {
            return -1;
        }
    }

    *used_r = done;

    return code;
}
