/*
 * Copyright (C) the Warren authors
 *
 * Paths of claims and numbers as text; what operators do is seen through nginx,
 * in jwt_require.t.
 */

#include <string.h>

#include "ngx_http_gateway_jwt_claim.h"
#include "tap.h"


static char                         names[256];
static ngx_http_gateway_jwt_path_t  path;


static int
read_path(const char *text)
{
    return ngx_http_gateway_jwt_path((const unsigned char *) text,
                                     strlen(text), names, &path);
}


static void
test_path(void)
{
    is_int(read_path("scope"), 0, "a name is a path");
    is_int(path.n, 1, "of one");
    is_str(path.names[0], "scope", "itself");

    is_int(read_path("https://a/b"), 0, "slashes within are part of a name");
    is_int(path.n, 1, "of one");

    is_int(read_path("/a/b~1c/~01/"), 0, "a pointer is a path");
    is_int(path.n, 4, "of several");
    is_str(path.names[0], "a", "a name");
    is_str(path.names[1], "b/c", "one with a slash");
    is_str(path.names[2], "~1", "one with a tilde");
    is_str(path.names[3], "", "and an empty one");

    is_int(read_path(""), -1, "nothing is no path");
    is_int(read_path("/a~"), -1, "a lone tilde is refused");
    is_int(read_path("/a~2"), -1, "another escape is refused");
    is_int(read_path("/1/2/3/4/5/6/7/8"), 0, "eight names");
    is_int(read_path("/1/2/3/4/5/6/7/8/9"), -1, "nine are too many");
    is_int(ngx_http_gateway_jwt_path((const unsigned char *) "a\0b", 3, names,
                                     &path),
           -1, "a zero byte is refused");
}


static void
test_value(void)
{
    size_t                        i;
    ngx_http_gateway_jwt_value_t  value;

    static const struct {
        const char  *text;
        int          is_number;
        int          is_integer;
        int64_t      integer;
        double       real;
    } numbers[] = {
        { "0", 1, 1, 0, 0 },
        { "-12", 1, 1, -12, -12 },
        { "999999999999999999", 1, 1, 999999999999999999, 1e18 },
        { "1000000000000000000", 1, 0, 0, 1e18 },
        { "1.5", 1, 0, 0, 1.5 },
        { "-0.25", 1, 0, 0, -0.25 },
        { "", 0, 0, 0, 0 },
        { "-", 0, 0, 0, 0 },
        { ".5", 0, 0, 0, 0 },
        { "1.", 0, 0, 0, 0 },
        { "1.2.3", 0, 0, 0, 0 },
        { "1-", 0, 0, 0, 0 },
        { "1e3", 0, 0, 0, 0 },
        { "0x1", 0, 0, 0, 0 },
        { " 1", 0, 0, 0, 0 },
        { "nan", 0, 0, 0, 0 },
        { "11111111111111111111111111111111111111111", 0, 0, 0, 0 }
    };

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        ngx_http_gateway_jwt_value((const unsigned char *) numbers[i].text,
                                   strlen(numbers[i].text), &value);

        ok(value.is_number == numbers[i].is_number
           && value.is_integer == numbers[i].is_integer
           && value.integer == numbers[i].integer
           && !(value.real < numbers[i].real)
           && !(value.real > numbers[i].real),
           "\"%s\" is read", numbers[i].text);
    }
}


int
main(void)
{
    test_path();
    test_value();

    return done();
}
