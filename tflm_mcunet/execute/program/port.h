/* What the harness needs from the machine below it: files, an exit, and a look at the stack. */
#ifndef PORT_H
#define PORT_H

#include <stddef.h>

enum { PORT_READ = 0, PORT_WRITE = 1 };

/* Opens a file of the working directory; exits with status 2 where that fails. */
int port_open(const char *name, int mode);
/* Reads up to `bytes` bytes and returns how many were read. */
size_t port_read(int file, void *data, size_t bytes);
/* Writes all of `data`, or exits with status 2. */
void port_write(int file, const void *data, size_t bytes);
/* Ends the program after all files are closed. */
void port_exit(int status);

/* Fills the unused stack with a pattern ... */
void port_stack_paint(void);
/* ... and says how many bytes below the caller's stack pointer have been overwritten since (0 where unknown). */
unsigned port_stack_used(void);

#endif
