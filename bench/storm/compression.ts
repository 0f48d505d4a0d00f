/** Trouble and all that follows from it, deadlines and the rivals' times too, at this part of their length. */
export const COMPRESSION = 0.4
