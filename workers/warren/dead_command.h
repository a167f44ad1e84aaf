/*
 * Copyright (C) the Warren authors
 *
 * warren dead: what an operator does with the dead letters of a service.
 */

#ifndef WARREN_DEAD_COMMAND_H
#define WARREN_DEAD_COMMAND_H


/* "warren dead list", "show", "retry", "drop".  Return the exit status: 0, 1
   if something failed, 2 for bad usage, 3 if no letter matched. */
int dead_command_list(int argc, char **argv);
int dead_command_show(int argc, char **argv);
int dead_command_retry(int argc, char **argv);
int dead_command_drop(int argc, char **argv);


#endif /* WARREN_DEAD_COMMAND_H */
