/*
 * Copyright (C) the Warren authors
 *
 * Card numbers, which are never kept.
 */

#ifndef PAYMENTS_CARD_H
#define PAYMENTS_CARD_H


#include <stdbool.h>
#include <stddef.h>


/*
 * Whether a text has something in it that looks like the number of a card: 12
 * to 19 digits with a right check digit (ISO/IEC 7812), in groups between which
 * there is a blank, "-" or ".".  UUIDs are none.  Digits may be written as JSON
 * escapes them.
 */
bool payments_card_is_in(const char *text, size_t len);

/* Overwrites all of them with "X": .scrub of the service. */
void payments_card_scrub(char *text, size_t len);


#endif /* PAYMENTS_CARD_H */
