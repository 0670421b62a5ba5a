// SPDX-License-Identifier: GPL-2.0
/*
 * A driver for QEMU's device edu (docs/specs/edu.rst of QEMU): an interrupt that the device raises
 * on request, and data that go to the device's memory and back by DMA.
 */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/pci.h>

#ifndef PCI_IRQ_INTX
#define PCI_IRQ_INTX		PCI_IRQ_LEGACY	/* the name before Linux 6.8 */
#endif

/* Registers, by their offset in BAR 0. */
#define EDU_ID			0x00
#define EDU_ECHO		0x04	/* reads as the complement of the last write */
#define EDU_FACTORIAL		0x08
#define EDU_STATUS		0x20
#define EDU_STATUS_BUSY		BIT(0)
#define EDU_INTERRUPTS		0x24	/* the reasons of the current interrupt */
#define EDU_RAISE		0x60
#define EDU_ACKNOWLEDGE		0x64
#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_TARGET		0x88
#define EDU_DMA_BYTES		0x90
#define EDU_DMA_COMMAND		0x98
#define EDU_DMA_START		BIT(0)
#define EDU_DMA_FROM_DEVICE	BIT(1)
#define EDU_DMA_INTERRUPT	BIT(2)

/* The reason of an interrupt at the end of a transfer. */
#define EDU_DMA_DONE		BIT(8)
/* A reason of our own, for EDU_RAISE. */
#define EDU_OWN_REASON		BIT(4)

/* The device's memory, as its DMA addresses it. */
#define EDU_MEMORY		0x40000
#define EDU_DMA_BITS		28

#define BYTES			256

static bool msi = true;
module_param(msi, bool, 0444);
MODULE_PARM_DESC(msi, "Interrupts are messages (MSI), and not a line (INTx)");

static uint factorial;
module_param(factorial, uint, 0444);
MODULE_PARM_DESC(factorial, "Let the device compute the factorial of this number, unless it is 0");

struct edu {
	struct pci_dev *pdev;
	void __iomem *registers;
	struct completion interrupted;
	u32 reasons;
};

static irqreturn_t edu_interrupt(int irq, void *data)
{
	struct edu *edu = data;
	u32 reasons = readl(edu->registers + EDU_INTERRUPTS);

	/* Another device may share the line. */
	if (!reasons)
		return IRQ_NONE;
	writel(reasons, edu->registers + EDU_ACKNOWLEDGE);
	edu->reasons = reasons;
	complete(&edu->interrupted);
	return IRQ_HANDLED;
}

static int edu_await(struct edu *edu, u32 reason)
{
	if (!wait_for_completion_timeout(&edu->interrupted, HZ))
		return -ETIMEDOUT;
	return edu->reasons == reason ? 0 : -EIO;
}

static int edu_transfer(struct edu *edu, u64 source, u64 target, u32 command)
{
	writeq(source, edu->registers + EDU_DMA_SOURCE);
	writeq(target, edu->registers + EDU_DMA_TARGET);
	writeq(BYTES, edu->registers + EDU_DMA_BYTES);
	reinit_completion(&edu->interrupted);
	writeq(EDU_DMA_START | EDU_DMA_INTERRUPT | command, edu->registers + EDU_DMA_COMMAND);
	return edu_await(edu, EDU_DMA_DONE);
}

static int edu_round_trip(struct edu *edu)
{
	struct device *dev = &edu->pdev->dev;
	dma_addr_t address;
	u8 *buffer;
	int i, err;

	buffer = dma_alloc_coherent(dev, BYTES, &address, GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	for (i = 0; i < BYTES; i++)
		buffer[i] = 7 * i;
	err = edu_transfer(edu, address, EDU_MEMORY, 0);
	if (err)
		goto out;
	memset(buffer, 0, BYTES);
	err = edu_transfer(edu, EDU_MEMORY, address, EDU_DMA_FROM_DEVICE);
	if (err)
		goto out;
	for (i = 0; i < BYTES && buffer[i] == (u8)(7 * i); i++)
		;
	pci_info(edu->pdev, "%d of %d bytes came back\n", i, BYTES);
	err = i == BYTES ? 0 : -EIO;
out:
	dma_free_coherent(dev, BYTES, buffer, address);
	return err;
}

static int edu_compute(struct edu *edu)
{
	u32 status;
	int err;

	writel(factorial, edu->registers + EDU_FACTORIAL);
	err = readl_poll_timeout(edu->registers + EDU_STATUS, status,
				 !(status & EDU_STATUS_BUSY), 0, USEC_PER_SEC);
	if (!err)
		pci_info(edu->pdev, "%u! = %u\n", factorial,
			 readl(edu->registers + EDU_FACTORIAL));
	return err;
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu;
	int irq, err;

	edu = devm_kzalloc(&pdev->dev, sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;
	init_completion(&edu->interrupted);
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	edu->registers = pcim_iomap(pdev, 0, 0);
	if (!edu->registers)
		return -ENOMEM;
	writel(0x12345678, edu->registers + EDU_ECHO);
	if (readl(edu->registers + EDU_ECHO) != ~0x12345678)
		return dev_err_probe(&pdev->dev, -ENODEV, "the device does not echo\n");
	pci_info(pdev, "the device has version %#x\n", readl(edu->registers + EDU_ID));

	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(EDU_DMA_BITS));
	if (err)
		return err;
	pci_set_master(pdev);
	err = pci_alloc_irq_vectors(pdev, 1, 1, msi ? PCI_IRQ_MSI : PCI_IRQ_INTX);
	if (err < 0)
		return err;
	irq = pci_irq_vector(pdev, 0);
	err = request_irq(irq, edu_interrupt, IRQF_SHARED, KBUILD_MODNAME, edu);
	if (err)
		goto free_vectors;
	writel(EDU_OWN_REASON, edu->registers + EDU_RAISE);
	err = edu_await(edu, EDU_OWN_REASON);
	if (err)
		goto free_irq;
	pci_info(pdev, "an interrupt came by %s\n", pdev->msi_enabled ? "MSI" : "INTx");
	err = edu_round_trip(edu);
	if (!err && factorial)
		err = edu_compute(edu);
	if (err)
		goto free_irq;
	pci_set_drvdata(pdev, edu);
	return 0;

free_irq:
	free_irq(irq, edu);
free_vectors:
	pci_free_irq_vectors(pdev);
	pci_clear_master(pdev);
	return err;
}

static void edu_remove(struct pci_dev *pdev)
{
	free_irq(pci_irq_vector(pdev, 0), pci_get_drvdata(pdev));
	pci_free_irq_vectors(pdev);
	pci_clear_master(pdev);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "edu_round_trip",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};
module_pci_driver(edu_driver);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("An interrupt and a DMA round trip with QEMU's device edu");
