/*
 * Copyright (C) the Warren authors
 *
 * warren jwks: the public half of a key as a JSON Web Key Set (RFC 7517).
 */

#ifndef WARREN_JWKS_H
#define WARREN_JWKS_H


/* argv[0] is the last word of the command.  Returns the exit status. */
int jwks_command(int argc, char **argv);


#endif /* WARREN_JWKS_H */
