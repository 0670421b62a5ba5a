// SPDX-License-Identifier: GPL-2.0

#include "../bindings_helper.h"

void *kernel_ext_pde_data(const struct inode *inode)
{
	return pde_data(inode);
}

/* Where the field lies depends on the kernel's options. */
void *kernel_ext_seq_private(const struct seq_file *seq)
{
	return seq->private;
}

/* Text of a file in /proc that is read as a whole. */
#define MOST_TEXT (4 << 20)

/*
 * 0 if all that was written has found room, 1 if the kernel is to ask again
 * with twice the room, and an error if there would be too much.
 */
int kernel_ext_seq_room(struct seq_file *seq)
{
	if (!seq_has_overflowed(seq))
		return 0;
	return seq->size < MOST_TEXT ? 1 : -EFBIG;
}
