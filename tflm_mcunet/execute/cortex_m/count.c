/* TCG plugin: how often each instruction of a code range runs between two markers, the first time they are passed.
 *
 * Arguments: out=FILE, begin=ADDRESS, end=ADDRESS (first instructions of the marker functions), code=ADDRESS,
 * bytes=N (the range; numbers as strtoull reads them). Without both markers FILE is not written. It receives native uint64:
 * the number of calls seen, then records of part, address, count, and, where branches=1 (which takes time), how often the next
 * instruction was not the one after it.
 * A record of address 0xFFFFFFFFFFFFFFFF counts what ran outside the range.
 *
 * Parts: order=FILE (native uint32) and any number of call=ADDRESS. Everything up to the first pass of a `call` is part 0;
 * from the k-th pass on it is part order[k], and beyond the end of the list part 0 again. Without them all is part 0.
 *
 * All counters always count, inline in the translated code, which is exact; passing `begin` clears them and passing
 * `end` copies them. Each marker's own first instruction counts after its callback: `begin` is in, `end` is out. */
#include "qemu_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* A straight piece of translated code: where it starts, what follows it, and the slot of its last instruction. */
struct block {
    uint64_t start, next;
    size_t last;
};

static const char *out;
static uint64_t begin, end, code, bytes, branches;
static uint64_t calls[64];
static size_t call_count;
static uint32_t *order;
static size_t order_length, passes, parts = 1, part;
static uint64_t *running, *leaps;  /* one per halfword of the range, and one for the rest */
static uint64_t **counts, **taken; /* the same per part */
static size_t slots;
static const struct block *previous;
static int begun, done;

static void store(void)
{
    if (counts[part] == NULL) {
        counts[part] = calloc(slots, sizeof **counts);
        taken[part] = calloc(slots, sizeof **taken);
    }
    for (size_t slot = 0; slot < slots; ++slot) {
        if (running[slot] != 0) {
            counts[part][slot] += running[slot];
            taken[part][slot] += leaps[slot];
            running[slot] = leaps[slot] = 0;
        }
    }
}

static void on_begin(unsigned int cpu, void *data)
{
    (void)cpu;
    (void)data;
    if (!done) {
        memset(running, 0, slots * sizeof *running);
        memset(leaps, 0, slots * sizeof *leaps);
        begun = 1;
    }
}

static void on_call(unsigned int cpu, void *data)
{
    (void)cpu;
    (void)data;
    if (begun && !done) {
        store();
        part = passes < order_length ? order[passes] : 0;
        ++passes;
    }
}

static void on_end(unsigned int cpu, void *data)
{
    (void)cpu;
    (void)data;
    if (begun && !done) {
        store();
        done = 1;
    }
}

static void on_block(unsigned int cpu, void *data)
{
    (void)cpu;
    if (previous != NULL && previous->next != ((const struct block *)data)->start) {
        ++leaps[previous->last];
    }
    previous = data;
}

static size_t slot_of(uint64_t address)
{
    int inside = address >= code && address - code < bytes;
    return inside ? (size_t)(address - code) / 2 : slots - 1;
}

static qemu_plugin_execute callback(uint64_t address)
{
    if (address == begin || address == end) {
        return address == begin ? on_begin : on_end;
    }
    for (size_t index = 0; index < call_count; ++index) {
        if (address == calls[index]) {
            return on_call;
        }
    }
    return NULL;
}

static void watch(struct qemu_plugin_tb *tb, const struct qemu_plugin_insn *last)
{
    struct block *block = malloc(sizeof *block); /* translated code outlives its translation */
    if (block == NULL) {
        exit(1);
    }
    block->start = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    block->next = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last);
    block->last = slot_of(qemu_plugin_insn_vaddr(last));
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t length = qemu_plugin_tb_n_insns(tb);
    (void)id;
    if (branches) {
        watch(tb, qemu_plugin_tb_get_insn(tb, length - 1));
    }
    for (size_t index = 0; index < length; ++index) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, index);
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        qemu_plugin_execute marker = callback(address);
        if (marker != NULL) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, marker, QEMU_PLUGIN_CB_NO_REGS, NULL);
        }
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, QEMU_PLUGIN_INLINE_ADD_U64, &running[slot_of(address)], 1);
    }
}

static void write_result(qemu_plugin_id_t id, void *data)
{
    FILE *file;
    uint64_t seen = passes;
    (void)id;
    (void)data;
    if (!done || (file = fopen(out, "wb")) == NULL) {
        return;
    }
    fwrite(&seen, sizeof seen, 1, file);
    for (size_t index = 0; index < parts; ++index) {
        for (size_t slot = 0; counts[index] != NULL && slot < slots; ++slot) {
            uint64_t address = slot == slots - 1 ? UINT64_MAX : code + 2 * slot;
            uint64_t record[4] = {index, address, counts[index][slot], taken[index][slot]};
            if (record[2] != 0) {
                fwrite(record, sizeof record, 1, file);
            }
        }
    }
    fclose(file);
}

static void read_order(const char *name)
{
    FILE *file = fopen(name, "rb");
    uint32_t entry;
    if (file == NULL) {
        fprintf(stderr, "count: cannot read %s\n", name);
        exit(1);
    }
    while (fread(&entry, sizeof entry, 1, file) == 1) {
        order = realloc(order, (order_length + 1) * sizeof *order);
        order[order_length++] = entry;
        parts = entry >= parts ? (size_t)entry + 1 : parts;
    }
    fclose(file);
}

static void read_argument(const char *name, const char *value)
{
    if (strcmp(name, "out") == 0) {
        out = strdup(value);
    } else if (strcmp(name, "order") == 0) {
        read_order(value);
    } else if (strcmp(name, "call") == 0) {
        if (call_count == sizeof calls / sizeof *calls) {
            fprintf(stderr, "count: too many calls\n");
            exit(1);
        }
        calls[call_count++] = strtoull(value, NULL, 0);
    } else {
        uint64_t *number = strcmp(name, "begin") == 0 ? &begin : strcmp(name, "end") == 0 ? &end
                           : strcmp(name, "code") == 0 ? &code : strcmp(name, "bytes") == 0 ? &bytes : &branches;
        *number = strtoull(value, NULL, 0);
    }
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
                                                               int argc, char **argv);

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info;
    for (int index = 0; index < argc; ++index) {
        char *equals = strchr(argv[index], '=');
        if (equals != NULL) {
            *equals = 0;
            read_argument(argv[index], equals + 1);
            *equals = '=';
        }
    }
    slots = (size_t)(bytes / 2 + 2);
    running = calloc(slots, sizeof *running);
    leaps = calloc(slots, sizeof *leaps);
    counts = calloc(parts, sizeof *counts);
    taken = calloc(parts, sizeof *taken);
    if (out == NULL || bytes == 0 || running == NULL || leaps == NULL || counts == NULL || taken == NULL) {
        fprintf(stderr, "count: arguments out, begin, end, code and bytes are needed\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, write_result, NULL);
    return 0;
}
