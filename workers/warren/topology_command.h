/*
 * Copyright (C) the Warren authors
 *
 * warren topology: options, and the workers that are asked.
 */

#ifndef WARREN_TOPOLOGY_COMMAND_H
#define WARREN_TOPOLOGY_COMMAND_H


/* "warren topology apply", "plan", "check" and "show"; argv[0] is the last word
   of the command.  Return the exit status: 0, 1, 2 for bad usage, or of a plan
   or check 3: apply would make something. */
int topology_command_apply(int argc, char **argv);
int topology_command_plan(int argc, char **argv);
int topology_command_check(int argc, char **argv);
int topology_command_show(int argc, char **argv);


#endif /* WARREN_TOPOLOGY_COMMAND_H */
