/*
 * Copyright (C) the Warren authors
 *
 * What a person wants to be told, and on which channel: everything, but for
 * what they said no to.
 */

#include <string.h>

#include "notifications.h"
#include "notifications_group.h"
#include "notifications_person.h"
#include "notifications_store.h"


/* "group.channel" */
#define WORD  "%s.%s"


static void read_group(struct wr_request *req, const struct wr_json *all,
    const char *group, const char **words);
static bool is_known(const char *const *names, const char *name);
static void check_names(struct wr_request *req, const struct wr_json *object,
    const char *const *names);
static void reply(struct wr_request *req, const char *words);


enum wr_outcome
notifications_preference_gather(struct wr_request *req)
{
    return notifications_person_check(req);
}


void
notifications_preference_load(struct wr_request *req)
{
    wr_request_set(req, notifications_store_mutes(wr_request_tx(req),
                                                  wr_request_sub(req)));
}


enum wr_outcome
notifications_preference(struct wr_request *req)
{
    reply(req, wr_rows_text(wr_request_get(req), 0, 0));

    return WR_DONE;
}


enum wr_outcome
notifications_preference_put_gather(struct wr_request *req)
{
    size_t                  i;
    const char             *words;
    enum wr_outcome         outcome;
    const struct wr_json   *all;
    struct wr_json_errors  *errors;

    outcome = notifications_person_check(req);

    if (outcome != WR_DONE) {
        return outcome;
    }

    errors = wr_request_errors(req);
    all = wr_json_object(wr_request_json(req), "preferences", errors);
    words = "";

    if (errors->count == 0) {
        check_names(req, all, notifications_groups);
    }

    for (i = 0; notifications_groups[i] != NULL; i++) {
        if (wr_json_has(all, notifications_groups[i])) {
            read_group(req, all, notifications_groups[i], &words);
        }
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, (void *) words);

    return WR_DONE;
}


/* Adds what is not wanted of a group to the words. */

static void
read_group(struct wr_request *req, const struct wr_json *all,
    const char *group, const char **words)
{
    size_t                  i;
    const struct wr_json   *object;
    struct wr_json_errors  *errors;

    errors = wr_request_errors(req);
    object = wr_json_object(all, group, errors);
    check_names(req, object, notifications_channels);

    for (i = 0; notifications_channels[i] != NULL; i++) {
        if (wr_json_has(object, notifications_channels[i])
            && !wr_json_bool(object, notifications_channels[i], errors))
        {
            *words = wr_arena_printf(wr_request_arena(req), "%s " WORD,
                                     *words, group,
                                     notifications_channels[i]);
        }
    }
}


static void
check_names(struct wr_request *req, const struct wr_json *object,
    const char *const *names)
{
    size_t       i;
    const char  *name;

    for (i = 0; (name = wr_json_name(object, i)) != NULL; i++) {
        if (!is_known(names, name)) {
            wr_json_error_add(wr_request_errors(req), object, name,
                              "there is no such thing to choose");
        }
    }
}


static bool
is_known(const char *const *names, const char *name)
{
    for ( ; *names != NULL; names++) {
        if (strcmp(*names, name) == 0) {
            return true;
        }
    }

    return false;
}


/* What the body does not name is as it is for who never chose. */

enum wr_outcome
notifications_preference_put(struct wr_request *req)
{
    size_t        i, j;
    const char   *sub, *words, *word;
    struct wr_tx *tx;

    tx = wr_request_tx(req);
    sub = wr_request_sub(req);
    words = wr_request_get(req);
    notifications_store_unmute(tx, sub);

    for (i = 0; notifications_groups[i] != NULL; i++) {
        for (j = 0; notifications_channels[j] != NULL; j++) {
            word = wr_arena_printf(wr_request_arena(req), WORD,
                                   notifications_groups[i],
                                   notifications_channels[j]);

            if (notifications_group_has(words, word)) {
                notifications_store_mute(tx, sub, notifications_groups[i],
                                         notifications_channels[j]);
            }
        }
    }

    reply(req, words);

    return WR_DONE;
}


static void
reply(struct wr_request *req, const char *words)
{
    size_t                  i, j, len;
    const char             *json, *word;
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(wr_request_arena(req));
    wr_json_object_begin(writer, NULL);
    wr_json_object_begin(writer, "preferences");

    for (i = 0; notifications_groups[i] != NULL; i++) {
        wr_json_object_begin(writer, notifications_groups[i]);

        for (j = 0; notifications_channels[j] != NULL; j++) {
            word = wr_arena_printf(wr_request_arena(req), WORD,
                                   notifications_groups[i],
                                   notifications_channels[j]);
            wr_json_put_bool(writer, notifications_channels[j],
                             !notifications_group_has(words, word));
        }

        wr_json_object_end(writer);
    }

    wr_json_object_end(writer);
    wr_json_object_end(writer);
    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);
}
