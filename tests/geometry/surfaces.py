"""Functions with known geometry, and independent ways to it, for the tests of this folder."""

from itertools import pairwise

import torch
from torch.func import functional_call, hessian, jacfwd


def hemisphere(radius):
    """The lower half of a sphere: constant curvature."""
    return lambda theta: -(radius**2 - theta.square().sum(-1)).sqrt()


def rough(seed, n):
    """A smooth function without symmetries: sines and a cubic."""
    generator = torch.Generator().manual_seed(seed)
    waves = torch.randn(4, n, generator=generator, dtype=torch.float64)
    cubic = 0.3 * torch.randn(n, n, n, generator=generator, dtype=torch.float64)

    def error(theta):
        return (waves @ theta).sin().sum() + torch.einsum("ijk,i,j,k->", cubic, theta, theta, theta)

    return error


def scalar_curvature_of_metric(error, theta):
    """R of g = 1 + ∇E ∇Eᵀ by Christoffel symbols and the Riemann tensor: no Gauss equation, no Hessian."""
    gradient = torch.func.grad(error)

    def metric(theta):
        v = gradient(theta)
        return torch.eye(len(theta), dtype=theta.dtype) + torch.outer(v, v)

    def christoffel(theta):
        inverse, d = torch.linalg.inv(metric(theta)), jacfwd(metric)(theta)  # d[i, j, k] = ∂_k g_ij
        # Γ_{l,ij} = ½(∂_j g_li + ∂_i g_lj − ∂_l g_ij)
        lowered = 0.5 * (d + torch.einsum("lji->lij", d) - torch.einsum("ijl->lij", d))
        return torch.einsum("kl,lij->kij", inverse, lowered)

    gamma, d = christoffel(theta), jacfwd(christoffel)(theta)  # d[k, i, j, m] = ∂_m Γ^k_ij
    ricci = (
        torch.einsum("kijk->ij", d)
        - torch.einsum("kikj->ij", d)
        + torch.einsum("kkl,lij->ij", gamma, gamma)
        - torch.einsum("kjl,lik->ij", gamma, gamma)
    )
    return torch.einsum("ij,ij->", torch.linalg.inv(metric(theta)), ricci)


def scalar_curvature_of_operator(error, theta):
    """R = (tr A)² − tr A² of the shape operator A = g⁻¹H/√w, from torch.func's full Hessian."""
    v, h = torch.func.grad(error)(theta), hessian(error)(theta)
    w = 1 + v @ v
    a = torch.linalg.solve(torch.eye(len(theta), dtype=theta.dtype) + torch.outer(v, v), h) / w.sqrt()
    return a.trace() ** 2 - (a @ a).trace()


def network_error(network, inputs, targets, criterion):
    """E of a flat θ, written out again without the library."""
    shapes = {name: each.shape for name, each in network.named_parameters()}

    def error(theta):
        parts, start = {}, 0
        for name, shape in shapes.items():
            parts[name] = theta[start : start + shape.numel()].view(shape)
            start += shape.numel()
        return criterion(functional_call(network, parts, (inputs,)), targets)

    return error


def deep_linear(strengths, depth, width, l2):
    """E of a deep linear network on a whitened teacher, and its learned state at λ: diagonal, balanced layers."""
    from spinodal.theory import amplitude

    k = len(strengths)
    sizes = [k, *[width] * (depth - 1), k]
    target = torch.diag(torch.tensor(strengths, dtype=torch.float64))
    layers = [torch.zeros(m, n, dtype=torch.float64) for n, m in pairwise(sizes)]
    for index, strength in enumerate(strengths):
        for layer in layers:
            layer[index, index] = float(amplitude(l2, strength, depth)) ** (1 / depth)

    def error(theta):
        product, start = torch.eye(k, dtype=theta.dtype), 0
        for layer in layers:
            product = theta[start : start + layer.numel()].view(layer.shape) @ product
            start += layer.numel()
        return 0.5 * (target - product).square().sum()

    return error, torch.cat([layer.reshape(-1) for layer in layers])
