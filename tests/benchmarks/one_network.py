"""A point as one would compute it without this package: one network, one process, ordinary Lightning and Adam.

python one_network.py data.pt width activation λ seed max_steps, where data.pt holds inputs and targets. Stops when
max |∇𝓛| ≤ 1e-8. Prints steps, max |∇𝓛| and 𝓛.
"""

import sys

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader


class Network(pl.LightningModule):
    def __init__(self, inputs, outputs, width, activation, l2):
        super().__init__()
        self.l2 = l2
        self.layers = nn.Sequential(
            nn.Linear(inputs, width, bias=False),
            nn.Tanh() if activation == "tanh" else nn.Identity(),
            nn.Linear(width, width, bias=False),
            nn.Tanh() if activation == "tanh" else nn.Identity(),
            nn.Linear(width, outputs, bias=False),
        )

    def training_step(self, batch, batch_idx):
        inputs, targets = batch
        error = 0.5 * (self.layers(inputs) - targets).square().sum(-1).mean()
        self.loss = error + self.l2 * sum(weight.square().sum() for weight in self.parameters())
        return self.loss

    def on_before_optimizer_step(self, optimizer):
        self.grad_max = max(weight.grad.abs().max() for weight in self.parameters())
        if self.grad_max <= 1e-8:
            self.trainer.should_stop = True

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def main():
    path, width, activation, l2, seed, max_steps = sys.argv[1:]
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(int(seed))
    inputs, targets = torch.load(path)
    network = Network(inputs.shape[-1], targets.shape[-1], int(width), activation, float(l2))
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=int(max_steps),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(network, DataLoader([(inputs, targets)], batch_size=None))  # full batch
    print(trainer.global_step, network.grad_max.item(), network.loss.item())


if __name__ == "__main__":
    main()
