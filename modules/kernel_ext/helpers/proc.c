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
