/*
 * Copyright (C) the Warren authors
 *
 * What an administrator lets a person do.
 */

#include <string.h>

#include "users.h"
#include "users_json.h"
#include "users_store.h"


#define ROLE_MAX  32


struct roles {
    const char      *names;     /* an array's text */
    size_t           count;
    struct wr_rows  *known;
    struct wr_rows  *account;
};


static const char *read_names(struct wr_request *req, size_t *count_r);
static bool is_name(const char *name);


enum wr_outcome
users_roles_gather(struct wr_request *req)
{
    const char    *id;
    struct roles  *roles;

    if (wr_request_sub(req) == NULL) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED, NULL);
    }

    if (!wr_request_has_scope(req, USERS_SCOPE_ADMIN)) {
        return wr_refuse(req, WIRE_ERROR_FORBIDDEN,
                         "the scope " USERS_SCOPE_ADMIN " is required");
    }

    id = wr_request_arg(req, "id");

    if (id == NULL || !wr_id_is_uuid(id)) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    roles = wr_arena_alloc(wr_request_arena(req), sizeof(*roles));
    roles->names = read_names(req, &roles->count);

    if (wr_request_errors(req)->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, roles);

    return WR_DONE;
}


void
users_roles_keys(struct wr_request *req)
{
    wr_key(req, users_tables.users, wr_request_arg(req, "id"));
}


void
users_roles_load(struct wr_request *req)
{
    struct roles  *roles;

    roles = wr_request_get(req);
    roles->known = users_store_roles(wr_request_tx(req), roles->names);
    roles->account = users_store_by_id(wr_request_tx(req),
                                       wr_request_arg(req, "id"));
}


/* Tokens that are out keep their scopes until they expire; the next refresh
   gives others. */

enum wr_outcome
users_roles(struct wr_request *req)
{
    size_t           len;
    const char      *json, *id;
    struct wr_tx    *tx;
    struct roles    *roles;
    struct wr_rows  *account;

    roles = wr_request_get(req);
    tx = wr_request_tx(req);
    id = wr_request_arg(req, "id");

    if (wr_rows_count(roles->account) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    if ((size_t) wr_rows_count(roles->known) != roles->count) {
        wr_json_error_add(wr_request_errors(req), wr_request_json(req),
                          "roles", "must be names of roles, each once");
        return wr_refuse_invalid(req);
    }

    users_store_set_roles(tx, id, roles->names, wr_request_sub(req));
    account = users_store_touch(tx, id);
    users_json_announce(req, account);
    wr_log_info(wr_request_log(req), "roles of user %s are now %s", id,
                wr_rows_text(account, 0, USERS_STORE_ROLES));

    json = users_json_account(req, account, NULL, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}


/* A name needs no quotes in an array's text: {admin,customer}. */

static const char *
read_names(struct wr_request *req, size_t *count_r)
{
    char                   *text, *p;
    size_t                  i, count;
    const char             *name;
    const struct wr_json   *names;
    struct wr_json_errors  *errors;

    errors = wr_request_errors(req);
    names = wr_json_array(wr_request_json(req), "roles", 0, USERS_ROLES_MAX,
                          errors);
    count = (errors->count == 0) ? wr_json_count(names) : 0;
    p = text = wr_arena_alloc(wr_request_arena(req),
                              count * (ROLE_MAX + 1) + sizeof("{}"));
    *p++ = '{';

    for (i = 0; i < count; i++) {
        name = wr_json_text(wr_json_item(names, i), NULL, 1, ROLE_MAX, errors);

        if (name[0] != '\0' && !is_name(name)) {
            wr_json_error_add(errors, wr_json_item(names, i), NULL,
                              "must be a role");
            name = "";
        }

        if (i > 0) {
            *p++ = ',';
        }

        p = stpcpy(p, name);
    }

    strcpy(p, "}");
    *count_r = count;

    return text;
}


static bool
is_name(const char *name)
{
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] == '\0';
}
