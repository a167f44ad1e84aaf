/*
 * Copyright (C) the Warren authors
 *
 * warren token: signs an access token, for tests and for operators.
 */

#ifndef WARREN_TOKEN_H
#define WARREN_TOKEN_H


/* argv[0] is the last word of the command.  Returns the exit status. */
int token_command(int argc, char **argv);


#endif /* WARREN_TOKEN_H */
