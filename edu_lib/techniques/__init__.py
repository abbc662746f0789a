"""One technique a module, each a function: model in, new model out."""
