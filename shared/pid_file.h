/*
 * Copyright (C) the Warren authors
 *
 * A file with the supervisor's process id, locked as long as it runs.
 */

#ifndef WARREN_PID_FILE_H
#define WARREN_PID_FILE_H


#include <stddef.h>


/*
 * Writes this process's id and locks the file.  Returns its descriptor, or -1
 * with the reason: another process has it, say.
 */
int wr_pid_file_open(const char *path, char *error_r, size_t error_size);

/* Removes it. */
void wr_pid_file_close(const char *path, int fd);


#endif /* WARREN_PID_FILE_H */
