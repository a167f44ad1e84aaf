/*
 * Copyright (C) the Warren authors
 *
 * The service users: accounts, passwords and tokens.
 */

#include <stddef.h>

#include "users.h"


static const struct wr_key_table  accounts = { "users", "id", "uuid", false };
static const struct wr_key_table  refresh_tokens = { "refresh_tokens", "hash",
                                                     "text", false };
static const struct wr_key_table  login_failures = { "login_failures", "key",
                                                     "text", true };

const struct users_tables  users_tables = {
    .users = &accounts, .refresh_tokens = &refresh_tokens,
    .login_failures = &login_failures
};

static const struct wr_handler  handlers[] = {
    { WR_CALL, "register", .gather = users_register_gather,
                           .apply = users_register, .is_secret = true },
    { WR_CALL, "login",    .gather = users_login_gather,
                           .keys = users_login_keys,
                           .locks = { &login_failures },
                           .load = users_login_load,
                           .apply = users_login, .is_secret = true },
    { WR_CALL, "refresh",  .gather = users_refresh_gather,
                           .keys = users_refresh_keys,
                           .locks = { &refresh_tokens },
                           .load = users_refresh_load,
                           .apply = users_refresh, .is_secret = true },
    { WR_CALL, "logout",   .gather = users_logout_gather,
                           .apply = users_logout, .is_secret = true },

    { WR_CALL, "get_user", .gather = users_get_gather,
                           .load = users_get_load,
                           .apply = users_get, .read_only = true },
    { WR_CALL, "update_user",     .gather = users_update_gather,
                                  .keys = users_update_keys,
                                  .locks = { &accounts, &login_failures },
                                  .load = users_update_load,
                                  .apply = users_update, .is_secret = true },
    { WR_CALL, "change_password", .gather = users_change_gather,
                                  .keys = users_change_keys,
                                  .locks = { &accounts, &login_failures },
                                  .load = users_change_load,
                                  .apply = users_change, .is_secret = true },
    { WR_CALL, "request_reset",   .gather = users_reset_gather,
                                  .apply = users_reset },
    { WR_CALL, "reset_password",  .gather = users_confirm_gather,
                                  .load = users_confirm_load,
                                  .apply = users_confirm, .is_secret = true },
    { WR_CALL, "request_verification", .gather = users_verify_again_gather,
                                       .apply = users_verify_again },
    { WR_CALL, "verify_email",    .gather = users_verify_gather,
                                  .load = users_verify_load,
                                  .apply = users_verify, .is_secret = true },
    { WR_CALL, "set_roles",       .gather = users_roles_gather,
                                  .keys = users_roles_keys,
                                  .locks = { &accounts },
                                  .load = users_roles_load,
                                  .apply = users_roles },
    { WR_CALL, "jwks",            .apply = users_jwks, .read_only = true },

    /* what the service tells itself */
    { WR_COMMAND, USERS_MAIL, .apply = users_mail },
    { WR_COMMAND, USERS_TIDY, .apply = users_tidy, .every_ms = 60000 },
    WR_HANDLERS_END
};

static const char *const  entities[] = { "user", NULL };

static const struct wr_setting  settings[] = {
    { "token.key_directory", WR_SETTING_TEXT, "", false,
      "keys that sign tokens one after the other; warren keys makes them" },
    { "token.key_file", WR_SETTING_TEXT, "", false,
      "private key that signs until one of those does, PEM, EC on P-256" },
    { "token.key_id", WR_SETTING_TEXT, "", false,
      "that file's name in tokens (kid)" },
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
    { "session.lifetime", WR_SETTING_DURATION, "90d", false,
      "how long refresh tokens follow one another after a login" },
    { "session.idle", WR_SETTING_DURATION, "14d", false,
      "how long a refresh token is good that is not used" },
    { "session.grace", WR_SETTING_DURATION, "30s", false,
      "how long a refresh whose reply was lost may be repeated" },
    { "login.failures", WR_SETTING_INT, "5", false,
      "wrong passwords for an account from one address before a delay" },
    { "login.delay", WR_SETTING_DURATION, "1s", false,
      "that delay, which doubles with each further one" },
    { "login.delay_max", WR_SETTING_DURATION, "15m", false,
      "the longest delay" },
    { "login.unverified", WR_SETTING_BOOL, "off", false,
      "whether people log in whose e-mail address is not verified" },
    { "link.base", WR_SETTING_TEXT, "", false,
      "where links in letters lead to, https://...; \"\": no letters" },
    { "link.verify_lifetime", WR_SETTING_DURATION, "2d", false,
      "how long a link that verifies an address is good" },
    { "link.reset_lifetime", WR_SETTING_DURATION, "1h", false,
      "how long a link that resets a password is good" },
    { "mail.pause", WR_SETTING_DURATION, "1m", false,
      "between two letters of a kind to the same address" },
    WR_SETTINGS_END
};

static const struct wr_service  users = {
    .name = "users",
    .schema_min = "0003_accounts",
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
