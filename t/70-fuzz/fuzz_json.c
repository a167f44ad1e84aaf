/*
 * Copyright (C) the Warren authors
 *
 * Bodies of workers that want to be parts of an answer: what is taken must
 * still be one value when it stands in an object, and end nothing but itself.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ngx_http_gateway_json.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int       taken, again;
    uint8_t  *text;

    taken = ngx_http_gateway_json_is_valid(data, size);

    text = malloc(size + 8);

    if (text == NULL) {
        abort();
    }

    /* between brackets it must be what it is alone; behind a value nothing */

    text[0] = '[';
    memcpy(text + 1, data, size);
    text[size + 1] = ']';

    again = ngx_http_gateway_json_is_valid(text, size + 2);

    if (taken && !again) {

        /* only if the brackets make it too deep */

        memcpy(text, "[0", 2);
        text[2] = ']';

        if (!ngx_http_gateway_json_is_valid(text, 3)
            || size < 2 * NGX_HTTP_GATEWAY_JSON_DEPTH)
        {
            abort();
        }
    }

    if (taken && size && data[size - 1] != '0') {
        memcpy(text, data, size);
        memcpy(text + size, " 0", 2);

        if (ngx_http_gateway_json_is_valid(text, size + 2)) {
            abort();
        }
    }

    free(text);

    return 0;
}
