/*
 * Copyright (C) the Warren authors
 *
 * The version of rabbitmq-c.
 */

#include <amqp.h>

#include "version.h"


const char *
wr_broker_library_version(void)
{
    return amqp_version();
}
