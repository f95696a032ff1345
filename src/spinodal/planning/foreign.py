"""Names that other projects have for what has a key here; each completes "no such key; …"."""

FOREIGN = {
    name: here
    for names, here in {
        "lambda lambda_ lam l2_lambda l2_reg reg regularization regularisation": "λ of the term λ‖θ‖² is l2",
        "weight_decay wd": "a weight decay w, in other words a term w/2 ‖θ‖², is l2 = w/2",
        "lr learning_rate eta": "the step of the descent is optimizer.lr",
        "epochs max_epochs num_epochs n_epochs iterations max_steps steps": (
            "steps are counted by relaxation.max_steps, and by protocol.steps with protocol=train"
        ),
        "batch_size": "the size of a batch is protocol.batch, with protocol.noise=minibatch",
        "layers n_layers num_layers": "the number of weight layers is model.depth",
        "hidden hidden_size hidden_dim units": "the width of hidden layers is model.width",
        "k features n_features": "the number of features is data.complexity",
        "seeds n_seeds replicas": "a network for each seed is seed=[0,1,2]",
        "run_name output output_dir": "the folder of results is campaign=NAME, under paths.outputs",
        "device gpu gpus": "a GPU is trainer=gpu",
    }.items()
    for name in names.split()
}
