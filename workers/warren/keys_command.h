/*
 * Copyright (C) the Warren authors
 *
 * warren keys: keys that sign tokens, one after the other.
 */

#ifndef WARREN_KEYS_COMMAND_H
#define WARREN_KEYS_COMMAND_H


/* Each returns the exit status of the program. */
int keys_command_rotate(int argc, char **argv);
int keys_command_list(int argc, char **argv);
int keys_command_prune(int argc, char **argv);


#endif /* WARREN_KEYS_COMMAND_H */
