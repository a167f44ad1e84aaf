/*
 * Copyright (C) the Warren authors
 *
 * RabbitMQ's management HTTP API, one blocking request at a time.
 */

#ifndef WARREN_MANAGEMENT_H
#define WARREN_MANAGEMENT_H


#include <stdint.h>

#include <jansson.h>


struct management;


/* A node that takes longer for an answer is not answering. */
#define MANAGEMENT_TIMEOUT_SEC  60

/* Answers beyond are refused: a broker of ours has some hundred objects. */
#define MANAGEMENT_ANSWER_MAX   67108864


/*
 * Does not connect yet.  url is http://user@host:port or https://…, password
 * the user's, ca_file the PEM of a certificate authority or NULL for the
 * system's.  Returns NULL and the reason if the URL is none of these.
 */
struct management *management_open(const char *url, const char *password,
    const char *ca_file, const char **error_r);

/* Closes and sets to NULL; NULL is let be. */
void management_close(struct management **management);

/* From now on management_send() sends nothing, and succeeds. */
void management_look_only(struct management *management);

/*
 * Asks, and asks again up to five times in a second when the node has failed
 * (500 and more).  The path's words follow, NULL ends them; each is escaped
 * here.
 * Returns the answer, which the caller releases.  Returns NULL with *error_r
 * NULL if there is no such thing (404), else NULL with the reason.
 */
json_t *management_get(struct management *management, const char **error_r,
    ...) __attribute__((sentinel));

/* Sends body (released here) with a method: PUT or POST.  Path as above.
   Returns 0, or -1 and the reason. */
int management_send(struct management *management, const char *method,
    json_t *body, const char **error_r, ...) __attribute__((sentinel));


#endif /* WARREN_MANAGEMENT_H */
