/*
 * Copyright (C) the Warren authors
 *
 * Groups of kinds and the channels: what a person can choose between.
 */

#ifndef NOTIFICATIONS_GROUP_H
#define NOTIFICATIONS_GROUP_H


#include <stdbool.h>


/* Each ends with NULL. */
extern const char *const  notifications_groups[];
extern const char *const  notifications_channels[];


/* The group of a kind, one of notifications_groups. */
const char *notifications_group_of(const char *kind);

/* Whether a list of words with blanks between has the word; NULL has none. */
bool notifications_group_has(const char *words, const char *word);


#endif /* NOTIFICATIONS_GROUP_H */
