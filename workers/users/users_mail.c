/*
 * Copyright (C) the Warren authors
 *
 * Letters to people: a command of the service to itself, so that who asks for
 * one cannot tell from answer or time what it led to.
 */

#include <string.h>
#include <strings.h>

#include "users.h"
#include "users_mail.h"
#include "users_secret.h"
#include "users_store.h"


#define WORD_MAX  32


struct kind {
    const char  *word;          /* in the command */
    const char  *template;      /* of notifications */
    const char  *path;          /* of its link, below link.base */
    const char  *purpose;       /* of a secret in it; NULL: there is none */
};

/* a letter as notifications takes it */

struct letter {
    const struct kind  *kind;
    const char         *user;
    const char         *email;
    const char         *name;
    const char         *language;
};


static const struct kind  kinds[] = {
    [USERS_MAIL_REGISTERED] = { "registered", "address_taken",
                                "/#forgotten", NULL },
    [USERS_MAIL_VERIFY] = { "verify", "verify_email", "/#verify=",
                            "verify" },
    [USERS_MAIL_RESET] = { "reset", "reset_password", "/#reset=", "reset" },
    [USERS_MAIL_CHANGED] = { "changed", "password_changed", "/#forgotten",
                             NULL },
    [USERS_MAIL_MOVING] = { "moving", "email_changed", "/#forgotten", NULL }
};

#define KINDS  (sizeof(kinds) / sizeof(kinds[0]))


static struct wr_rows *find(struct wr_request *req, enum users_mail *what,
    const char *id, const char **email);
static struct wr_rows *owner(struct wr_request *req, enum users_mail *what,
    const char *id, const char *email);
static void send_letter(struct wr_request *req, struct letter *letter);
static const char *make_link(struct wr_request *req,
    const struct letter *letter);


void
users_mail_send(struct wr_request *req, enum users_mail what, const char *id,
    const char *email)
{
    size_t                  len;
    const char             *json;
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "what", kinds[what].word);

    if (id != NULL) {
        wr_json_put_text(writer, "user_id", id);
    }

    if (email != NULL) {
        wr_json_put_text(writer, "email", email);
    }

    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_command(req, USERS_NAME, USERS_MAIL, json, len);
}


enum wr_outcome
users_mail(struct wr_request *req)
{
    size_t                   i;
    const char              *word, *id, *email;
    struct letter            letter;
    struct wr_rows          *rows;
    enum users_mail          what;
    const struct wr_json    *body;
    struct users_state      *state;
    struct wr_json_errors   *errors;

    body = wr_request_json(req);
    errors = wr_request_errors(req);
    state = wr_request_state(req);
    word = wr_json_text(body, "what", 1, WORD_MAX, errors);
    id = wr_json_has(body, "user_id")
         ? wr_json_text(body, "user_id", 1, WR_UUID_SIZE, errors) : NULL;
    email = wr_json_has(body, "email")
            ? wr_json_text(body, "email", 1, USERS_EMAIL_MAX, errors) : NULL;

    for (i = 0; i < KINDS && strcmp(kinds[i].word, word) != 0; i++) {
        /* void */
    }

    if (errors->count != 0 || i == KINDS || (id != NULL && !wr_id_is_uuid(id))
        || (id == NULL && email == NULL))
    {
        return wr_refuse_invalid(req);
    }

    if (state->link_base[0] == '\0') {
        return WR_DONE;
    }

    what = (enum users_mail) i;
    rows = find(req, &what, id, &email);

    /* nobody has the address, and nobody is told so */

    if (wr_rows_count(rows) == 0) {
        return WR_DONE;
    }

    letter.kind = &kinds[what];
    letter.user = wr_rows_text(rows, 0, USERS_STORE_ID);
    letter.name = wr_rows_text(rows, 0, USERS_STORE_NAME);
    letter.language = wr_rows_text(rows, 0, USERS_STORE_LANGUAGE);
    letter.email = (email != NULL) ? email
                                   : wr_rows_text(rows, 0, USERS_STORE_EMAIL);
    send_letter(req, &letter);

    return WR_DONE;
}


/* The account that is written to.  *email stays what it is only if it is to get
   the letter in place of the account's own. */

static struct wr_rows *
find(struct wr_request *req, enum users_mail *what, const char *id,
    const char **email)
{
    struct wr_rows  *rows;

    if (*email != NULL && id != NULL) {
        rows = owner(req, what, id, *email);

    } else if (*email != NULL) {
        rows = users_store_by_email(wr_request_tx(req), *email);

    } else {
        rows = users_store_by_id(wr_request_tx(req), id);
    }

    if (*what != USERS_MAIL_VERIFY) {
        *email = NULL;
    }

    return rows;
}


/* An address that is to be somebody's: it may be another's already, who is told
   that instead. */

static struct wr_rows *
owner(struct wr_request *req, enum users_mail *what, const char *id,
    const char *email)
{
    struct wr_rows  *rows;

    rows = users_store_by_email(wr_request_tx(req), email);

    if (wr_rows_count(rows) != 0
        && strcasecmp(wr_rows_text(rows, 0, USERS_STORE_ID), id) != 0)
    {
        *what = USERS_MAIL_REGISTERED;
        return rows;
    }

    if (*what == USERS_MAIL_REGISTERED || wr_rows_count(rows) != 0) {
        *what = USERS_MAIL_VERIFY;
        return rows;
    }

    return users_store_by_id(wr_request_tx(req), id);
}


static void
send_letter(struct wr_request *req, struct letter *letter)
{
    size_t                  len;
    char                    digest[USERS_DIGEST_SIZE];
    const char             *json, *link;
    struct users_state     *state;
    struct wr_rows         *rows;
    struct wr_json_writer  *writer;

    state = wr_request_state(req);

    /* one to each address, so that a second try at another one is not late */

    users_secret_digest(letter->email, digest);
    rows = users_store_mail(wr_request_tx(req), letter->user,
                            wr_arena_printf(wr_request_arena(req), "%s %s",
                                            letter->kind->template, digest),
                            state->times.pause);

    if (wr_rows_count(rows) == 0) {
        wr_log_info(wr_request_log(req),
                    "%s was sent a moment ago, and is not sent again",
                    letter->kind->template);
        return;
    }

    link = make_link(req, letter);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "user_id", letter->user);
    wr_json_put_text(writer, "template", letter->kind->template);
    wr_json_put_text(writer, "email", letter->email);
    wr_json_put_text(writer, "name", letter->name);
    wr_json_put_text(writer, "language", letter->language);
    wr_json_put_text(writer, "link", link);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_command(req, "notifications", "send_message", json, len);
}


/* A secret stands behind "#", which no browser sends to a server and no server
   has in its log. */

static const char *
make_link(struct wr_request *req, const struct letter *letter)
{
    char                 secret[USERS_SECRET_SIZE], hash[USERS_DIGEST_SIZE];
    struct users_state  *state;

    state = wr_request_state(req);

    if (letter->kind->purpose == NULL) {
        return wr_arena_printf(wr_request_arena(req), "%s%s",
                               state->link_base, letter->kind->path);
    }

    users_secret_new(secret);
    users_secret_digest(secret, hash);
    users_store_link(wr_request_tx(req), hash, letter->user,
                     letter->kind->purpose, letter->email,
                     strcmp(letter->kind->purpose, "reset") == 0
                     ? state->times.reset : state->times.verify);

    return wr_arena_printf(wr_request_arena(req), "%s%s%s", state->link_base,
                           letter->kind->path, secret);
}
