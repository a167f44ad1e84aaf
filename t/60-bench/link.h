/*
 * Copyright (C) the Warren authors
 *
 * A connection to the broker that is nothing but frames: rabbitmq-c encodes and
 * decodes what is in them, and the caller decides when to read and write.
 */

#ifndef WARREN_BENCH_LINK_H
#define WARREN_BENCH_LINK_H


#include <amqp.h>
#include <amqp_framing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


#define LINK_CHANNEL    1
#define LINK_FRAME_MAX  131072

/* what is read at once, so that a busy broker does not keep us from writing */
#define LINK_IN_SIZE    (4 * LINK_FRAME_MAX)


struct link_address {
    const char  *host;
    const char  *port;
    const char  *user;
    const char  *password;
    const char  *vhost;
};


struct link {
    int            fd;
    amqp_pool_t    pool;                /* of the frame that was read last */

    char          *in;                  /* LINK_IN_SIZE bytes */
    size_t         in_begin, in_end;

    char          *out;
    size_t         out_begin, out_end, out_room;
};


struct link_frame {
    int                    type;
    amqp_method_number_t   id;          /* of a method */
    void                  *decoded;     /* method or properties: in the pool */
    uint64_t               body_size;   /* of a header */
    const char            *payload;     /* in the buffer until the next read */
    size_t                 size;
};


/* The functions below end the program with a message where the broker fails. */

/* Connects and opens the channel.  Blocks. */
void
link_open(struct link *link, const struct link_address *address);

void
link_close(struct link *link);

/* Puts a method on the channel into the output. */
void
link_put(struct link *link, amqp_method_number_t id, void *method);

/* Sends a method and waits for the one that answers it, which it returns. */
void *
link_ask(struct link *link, amqp_method_number_t id, void *method,
    amqp_method_number_t answer);

/*
 * Puts a message into the output: publish, header and, if it has one, body.
 * Returns the size of its header frame.
 */
size_t
link_publish(struct link *link, amqp_basic_publish_t *publish,
    amqp_basic_properties_t *properties, const void *body, size_t size);

/* Writes as much of the output as the socket takes; true: all of it. */
bool
link_write(struct link *link);

/* Reads what has arrived, at most what the buffer takes. */
void
link_read(struct link *link);

/*
 * The next whole frame of what was read, methods and headers decoded.  False:
 * there is none.
 */
bool
link_next(struct link *link, struct link_frame *frame);


#endif /* WARREN_BENCH_LINK_H */
