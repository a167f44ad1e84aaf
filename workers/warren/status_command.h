/*
 * Copyright (C) the Warren authors
 *
 * warren status: how queues and workers are.
 */

#ifndef WARREN_STATUS_COMMAND_H
#define WARREN_STATUS_COMMAND_H


/* "warren status".  Returns the exit status: 0 all is well, 1 something is not
   or could not be asked, 2 bad usage. */
int status_command(int argc, char **argv);


#endif /* WARREN_STATUS_COMMAND_H */
