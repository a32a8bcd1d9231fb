"""Rewrites: what the DLA refuses, written in operators that it takes; every change is proven before anything is saved."""
