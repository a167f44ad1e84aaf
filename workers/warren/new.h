/*
 * Copyright (C) the Warren authors
 *
 * warren new: a worker outside of this tree, from flags or five questions.
 */

#ifndef WARREN_NEW_H
#define WARREN_NEW_H


/* argv[0] is the last word of the command.  Returns the exit status. */
int new_command(int argc, char **argv);


#endif /* WARREN_NEW_H */
