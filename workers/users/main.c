/*
 * Copyright (C) the Warren authors
 *
 * The service users: accounts, passwords and tokens.
 */

#include <stddef.h>

#include "users.h"


/* who may ask about people that it does not speak for */
static const char *const  services[] = { "orders", NULL };

static const struct wr_handler  handlers[] = {
    { WR_CALL, "register", .gather = users_register_gather,
                           .load = users_register_load,
                           .apply = users_register },
    { WR_CALL, "login",    .gather = users_login_gather,
                           .load = users_login_load,
                           .apply = users_login, .read_only = true },
    { WR_CALL, "get_user", .gather = users_get_gather,
                           .load = users_get_load,
                           .apply = users_get, .read_only = true },
    { WR_CALL, "known_users", .gather = users_known_gather,
                              .load = users_known_load,
                              .apply = users_known, .read_only = true,
                              .callers = services },
    WR_HANDLERS_END
};

static const char *const  entities[] = { "user", NULL };

static const struct wr_setting  settings[] = {
    { "token.key_file", WR_SETTING_TEXT, NULL, false,
      "private key that signs tokens, PEM, EC on P-256" },
    { "token.key_id", WR_SETTING_TEXT, NULL, false,
      "the key's name in tokens (kid)" },
    { "token.issuer", WR_SETTING_TEXT, NULL, false,
      "who issues tokens (iss)" },
    { "token.audience", WR_SETTING_TEXT, NULL, false,
      "whom tokens are for (aud)" },
    { "token.ttl", WR_SETTING_DURATION, "1h", false,
      "how long a token is good" },
    { "password.memory", WR_SETTING_SIZE, "19m", false,
      "memory of a password's hash (Argon2id)" },
    { "password.passes", WR_SETTING_INT, "2", false,
      "passes of a password's hash over that memory" },
    WR_SETTINGS_END
};

static const struct wr_service  users = {
    .name = "users",
    .schema_min = "0002_users",
    .handlers = handlers,
    .entities = entities,
    .settings = settings,
    .init = users_init
};


int
main(int argc, char **argv)
{
    return wr_service_run(&users, argc, argv);
}
