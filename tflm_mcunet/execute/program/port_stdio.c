/* The harness port for hosts with a C library. The stack is not measured. */
#include "port.h"

#include <stdio.h>
#include <stdlib.h>

static FILE *files[8];

int port_open(const char *name, int mode)
{
    for (int file = 0; file < (int)(sizeof files / sizeof files[0]); ++file) {
        if (files[file] == NULL) {
            files[file] = fopen(name, mode == PORT_WRITE ? "wb" : "rb");
            if (files[file] != NULL) {
                return file;
            }
            break;
        }
    }
    fprintf(stderr, "harness: cannot open %s\n", name);
    exit(2);
}

size_t port_read(int file, void *data, size_t bytes)
{
    return fread(data, 1, bytes, files[file]);
}

void port_write(int file, const void *data, size_t bytes)
{
    if (fwrite(data, 1, bytes, files[file]) != bytes) {
        fprintf(stderr, "harness: cannot write\n");
        exit(2);
    }
}

void port_exit(int status)
{
    exit(status);
}

void port_stack_paint(void)
{
}

unsigned port_stack_used(void)
{
    return 0;
}
