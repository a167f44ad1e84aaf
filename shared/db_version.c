/*
 * Copyright (C) the Warren authors
 *
 * The version of libpq.
 */

#include <libpq-fe.h>
#include <stdio.h>

#include "version.h"


void
wr_db_library_version(char version_r[WR_VERSION_SIZE])
{
    int  number;

    /* since 10: major * 10000 + minor */

    number = PQlibVersion();

    snprintf(version_r, WR_VERSION_SIZE, "%d.%d", number / 10000,
             number % 10000);
}
