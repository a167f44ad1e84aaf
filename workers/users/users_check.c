/*
 * Copyright (C) the Warren authors
 *
 * What people send about themselves: read from a body and checked.
 */

#include <string.h>

#include "users.h"
#include "users_check.h"


/* of an address's part before the "@" (RFC 5321) */
#define LOCAL_MAX     64

/* a secret of ours is shorter */
#define SECRET_MAX    256

#define LANGUAGE_MAX  16


static bool is_email(const char *email);


const char *
users_check_email(const struct wr_json *body, struct wr_json_errors *errors)
{
    const char  *email;

    email = wr_json_text(body, "email", USERS_EMAIL_MIN, USERS_EMAIL_MAX,
                         errors);

    /* "" was told by its accessor */

    if (email[0] != '\0' && !is_email(email)) {
        wr_json_error_add(errors, body, "email",
                          "must be an e-mail address in ASCII");
    }

    return email;
}


const char *
users_check_name(const struct wr_json *body, struct wr_json_errors *errors)
{
    size_t       i;
    const char  *name;

    name = wr_json_text(body, "name", 1, USERS_NAME_MAX, errors);

    for (i = 0; name[i] != '\0'; i++) {

        if ((unsigned char) name[i] < ' ' || name[i] == 127) {
            wr_json_error_add(errors, body, "name",
                              "must not have control characters");
            break;
        }
    }

    return name;
}


const char *
users_check_language(const struct wr_json *body, const char *fallback,
    struct wr_json_errors *errors)
{
    const char  *language;

    if (!wr_json_has(body, "language")) {
        return fallback;
    }

    language = wr_json_text(body, "language", 1, LANGUAGE_MAX, errors);

    if (language[0] != '\0' && strcmp(language, "en") != 0
        && strcmp(language, "de") != 0)
    {
        wr_json_error_add(errors, body, "language", "must be \"en\" or "
                          "\"de\"");
    }

    return language;
}


const char *
users_check_password(const struct wr_json *body, const char *member,
    struct wr_json_errors *errors)
{
    return wr_json_text(body, member, USERS_PASSWORD_MIN, USERS_PASSWORD_MAX,
                        errors);
}


const char *
users_check_secret(const struct wr_json *body, const char *member,
    struct wr_json_errors *errors)
{
    return wr_json_text(body, member, 1, SECRET_MAX, errors);
}


/* What can be sent to; quoted local parts, which nobody has, are refused. */

static bool
is_email(const char *email)
{
    size_t       i;
    const char  *domain;

    domain = strchr(email, '@');

    /* what begins with "-" some program that sends mail takes for an option */

    if (domain == NULL || domain == email || domain - email > LOCAL_MAX
        || email[0] == '-')
    {
        return false;
    }

    for (i = 0; email[i] != '\0'; i++) {

        if (email[i] <= ' ' || email[i] >= 127
            || strchr("\"(),:;<>[\\]", email[i]) != NULL)
        {
            return false;
        }
    }

    domain++;

    return domain[0] != '\0' && domain[0] != '.' && domain[0] != '-'
           && strchr(domain, '@') == NULL
           && email[i - 1] != '.' && email[i - 1] != '-'
           && strstr(email, "..") == NULL
           && domain[strspn(domain, "abcdefghijklmnopqrstuvwxyz"
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789.-")]
              == '\0';
}
