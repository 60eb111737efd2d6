//! no_side_effects
