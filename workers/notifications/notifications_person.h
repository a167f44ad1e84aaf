/*
 * Copyright (C) the Warren authors
 *
 * Who asks, and which one is meant.
 */

#ifndef NOTIFICATIONS_PERSON_H
#define NOTIFICATIONS_PERSON_H


#include "request.h"


struct wr_json;


/* WR_DONE if a person has logged in, whose id is wr_request_sub(); else the
   refusal. */
enum wr_outcome notifications_person_check(struct wr_request *req);

/* A member that is a UUID; an error in wr_request_errors() if it is not. */
const char *notifications_person_uuid(struct wr_request *req,
    const struct wr_json *data, const char *member);


#endif /* NOTIFICATIONS_PERSON_H */
