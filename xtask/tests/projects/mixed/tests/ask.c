// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../src/hardware.h"

int main(void)
{
	char text[16] = "";
	int fd = open("/lib/firmware/mixed.txt", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 1;
	printf("%d, and the file says %s", HARDWARE_VALUE, text);
	return 7;
}
