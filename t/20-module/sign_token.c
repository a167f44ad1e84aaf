/*
 * Copyright (C) the Warren authors
 *
 * Signs claims with libjwt, for tests that want a second opinion:
 * sign_token ALGORITHM KEY-FILE CLAIMS [KID].
 */

#include <stdio.h>
#include <stdlib.h>

#include <jwt.h>


/* bytes of a key file at most */

#define KEY_MAX  16384


int
main(int argc, char **argv)
{
    int             rc;
    FILE           *file;
    char           *text;
    jwt_t          *jwt;
    size_t          len;
    jwt_alg_t       alg;
    unsigned char   key[KEY_MAX];

    if (argc < 4) {
        fprintf(stderr, "usage: sign_token ALGORITHM KEY-FILE CLAIMS [KID]\n");
        return 2;
    }

    file = fopen(argv[2], "rb");
    if (file == NULL) {
        perror(argv[2]);
        return 1;
    }

    len = fread(key, 1, sizeof(key) - 1, file);
    key[len] = '\0';
    (void) fclose(file);

    rc = 1;
    alg = jwt_str_alg(argv[1]);

    if (alg == JWT_ALG_INVAL || jwt_new(&jwt) != 0) {
        fprintf(stderr, "libjwt knows no %s\n", argv[1]);
        return 1;
    }

    if (jwt_add_grants_json(jwt, argv[3]) != 0
        || (argc > 4 && jwt_add_header(jwt, "kid", argv[4]) != 0)
        || jwt_set_alg(jwt, alg, key, (int) (alg == JWT_ALG_HS256
                                             || alg == JWT_ALG_HS384
                                             || alg == JWT_ALG_HS512
                                             ? len : len + 1))
           != 0)
    {
        fprintf(stderr, "libjwt takes no such key or claims\n");

    } else {
        text = jwt_encode_str(jwt);

        if (text == NULL) {
            fprintf(stderr, "libjwt does not sign\n");

        } else {
            printf("%s\n", text);
            free(text);
            rc = 0;
        }
    }

    jwt_free(jwt);

    return rc;
}
